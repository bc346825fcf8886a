/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of edit share: refusals and the checks of a document.
 */
#pragma once

#include "reconciler/edit.h"
#include "reconciler/reconciler_priv.h"

/* Record a refusal. */
void edit_refuse(struct edit_result *ret, enum edit_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "deployments.apps", as messages name a resource. Owned by the caller. */
char *edit_resource(enum kind kind);

/*
 * Is DOC, an object of KIND as written, valid? Else a refusal with its causes. What has no effect
 * here becomes a warning, unless BEFORE (may be NULL) had it already.
 */
bool edit_check(enum kind kind, const json_t *doc, const json_t *before, struct edit_result *ret);

/* May LIVE become DOC, both with defaults? Else a refusal: an immutable field. */
bool edit_check_change(const json_t *live, const json_t *doc, struct edit_result *ret);

/* May something be made in namespace NS? "default" is made when it is missing. */
bool edit_check_namespace(struct reconciler *r, enum kind kind, const char *ns, bool dry_run,
			  struct edit_result *ret);

/* Say that LIVE belongs to an app, if it does. */
void edit_warn_owned(const json_t *live, struct edit_result *ret);
void edit_warn(struct edit_result *ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
