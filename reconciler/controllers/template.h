/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod out of the template of the workload that owns it.
 */
#pragma once

#include <jansson.h>

#include "reconciler/reconciler_priv.h"

/*
 * A pod as OWNER's spec.template wants it, owned by OWNER and on this node, not in the store yet
 * and with a name still to be generated. It says which app it belongs to. Owned by the caller.
 */
json_t *template_pod(struct reconciler *r, const json_t *owner);
