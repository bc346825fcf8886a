/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store makes up: uids and the ends of generated names.
 */
#pragma once

#include "reconciler/store.h"

#define STORE_UID_SIZE 37
#define STORE_SUFFIX_SIZE 6

/* A random uid (RFC 9562, version 4) with its NUL. */
void store_random_uid(const struct store_env *env, char ret[STORE_UID_SIZE]);

/* Five random characters of Kubernetes' alphabet with their NUL. */
void store_random_suffix(const struct store_env *env, char ret[STORE_SUFFIX_SIZE]);
