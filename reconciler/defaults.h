/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defaults that Kubernetes fills in, and one spelling for what can be spelt in several ways
 * (quantities, null and empty fields, stringData, base64). Applied to desired and live objects
 * alike, it makes them comparable.
 */
#pragma once

#include <jansson.h>

#include "reconciler/kind.h"

/*
 * Complete the valid object O of KIND in place. Idempotent. What plug-ins of an API server would
 * add (service accounts, tolerations, priorities) is not added.
 */
void defaults_apply(enum kind kind, json_t *o);
