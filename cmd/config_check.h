/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration asks of the host, looked at before it is used.
 */
#pragma once

#include "base/str.h"
#include "cmd/config.h"

/*
 * The hooks of S: their users, programs and keys. What can't work is added to ERRORS, what may be
 * put right while the daemon runs to WARNINGS, each with the place of S.
 */
void config_check_hooks(const struct config_source *s, struct strlist *errors,
			struct strlist *warnings);
