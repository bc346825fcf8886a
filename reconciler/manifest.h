/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the manifest files of a revision to its objects: read, checked, completed with defaults.
 * Pure, but links libyaml: for the worker recond-manifest, one-shot commands and tests. The daemon
 * uses manifest_worker.h.
 */
#pragma once

#include <jansson.h>

#include "reconciler/manifest_input.h"

/*
 * Decode all apps of a revision. Returns, owned by the caller:
 *
 *   {"apps": [{"name": "web",
 *              "objects": [{"file": "web/app.yaml", "line": 1, "column": 1, "object": {...},
 *                           "defaulted": {...}}],
 *              "errors": ["web/app.yaml:3:5: Deployment/web: spec.replica: ..."],
 *              "notes": [...]}]}
 *
 * Objects are valid and defaulted; "defaulted" says by what (ownership.h). An app with an error has
 * none. A Dockerfile that no Image object names adds an Image called after its directory, marked by
 * the annotation recond.dev/implicit. The context of an Image is given from the root of the source,
 * with a leading '/'. Documents that are no Kubernetes objects, and kinds that recond does not
 * have, are named in the notes.
 */
json_t *manifest_decode(const struct manifest_input *input);
