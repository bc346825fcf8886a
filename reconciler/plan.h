/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bringing a source's revision about would do: the pure comparison behind `recond --dry-run`.
 * The daemon's sync follows the same rules, step by step.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "reconciler/kind.h"

enum plan_action {
	PLAN_BUILD,   /* an image is built */
	PLAN_CREATE,  /* it is not there */
	PLAN_UPDATE,  /* it is there and differs */
	PLAN_REPLACE, /* it differs where it can't be changed in place: deleted, then created */
	PLAN_ROLL,    /* it is as asked for, but what it reads or runs changes */
	PLAN_DELETE,  /* it is there and no longer asked for */
	PLAN_ACTION_N_,
};

struct plan_change {
	enum plan_action action;
	enum kind kind;
	char *ns; /* "" for none */
	char *name;
	char *why;      /* NULL when there is nothing to add */
	char *diff;     /* unified, for updates and replacements; else NULL */
	json_t *object; /* what is asked for, Secrets' values hidden; NULL for a deletion */
};

struct plan_app {
	char *name;
	const char *held; /* why nothing of the app would be done: "errors", "conflict", "prune";
			     NULL */
	struct plan_change *changes; /* builds, then the rest in the order it would be done */
	size_t n_changes;
	size_t cap_changes;
	json_t *errors; /* arrays of strings */
	json_t *notes;
};

struct plan {
	char *source;
	struct plan_app *apps;
	size_t n_apps;
};

struct plan_input {
	const char *source; /* its name, as in spec.source of the App objects */
	const json_t *apps; /* of manifest_decode: [{"name", "objects", "errors", "notes"}] */
	const json_t
		*live; /* all objects that are there, App objects included: array; NULL: none */
	/*
	 * What the builder says: [{"app", "name" of the Image object, "current": true when it need
	 * not be built, "why", "error"}]. An Image it says nothing of is built when it is new or
	 * changed. NULL: nothing is known.
	 */
	const json_t *builds;
	bool confirm_prune; /* delete whatever the revision no longer has */
};

/* Compare. Owned by the caller. Nothing of INPUT is needed afterwards. */
struct plan *plan_compute(const struct plan_input *input);
struct plan *plan_free(struct plan *p);
DEFINE_FREEP(struct plan, plan_free)

/* The stable name of ACTION ("create", ...). */
const char *plan_action_name(enum plan_action action);

/* Is there anything to do (held apps aside)? Is there an error or a refusal? */
bool plan_has_changes(const struct plan *p);
bool plan_has_errors(const struct plan *p);

/* Append the plan as text for people; COLOUR: with terminal colours. */
void plan_render_text(struct strbuf *out, const struct plan *p, bool colour);

/*
 * The plan as JSON, owned by the caller: {"source", "apps": [{"name", "held", "changes":
 * [{"action", "apiVersion", "kind", "namespace", "name", "why", "diff", "object"}], "errors",
 * "notes"}], "summary": {"build": 1, ...}}.
 */
json_t *plan_render_json(const struct plan *p);
