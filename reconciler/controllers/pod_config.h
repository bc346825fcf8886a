/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod reads as a ConfigMap or Secret: the object that is there or, where a source has
 * changed that since the pod's template was made, what the template was made with.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/controllers/pod_request.h"
#include "reconciler/kind.h"

/*
 * The object of KIND (a ConfigMap or Secret) that POD means by NAME, borrowed; NULL: there is none.
 * ENV has the set that POD came with: what that says of the object counts from when another set of
 * the app is applied, be it newer or the one that is put back. Until then the object in the store
 * is read, with whatever people changed of it, as is one that no set has, and one that opted out of
 * going back. OPTIONAL: POD can do without, and does when its set did not bring the object.
 */
const json_t *pod_config_read(const struct pod_request_env *env, const json_t *pod, enum kind kind,
			      const char *name, bool optional);
