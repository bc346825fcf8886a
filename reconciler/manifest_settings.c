/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The App object in a source: annotations that say how recond handles all objects of the app it
 * stands in, and the same on single objects. An App is no object of its own here; the one that
 * people see is written by recond.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/manifest_priv.h"
#include "reconciler/object.h"

static const struct path metadata = {NULL, "metadata", 0};

/* What an annotation may say. */
enum wish {
	WISH_BOOL,
	WISH_SECONDS,
	WISH_PHASE,
};

#define MAX_SECONDS 86400

/* clang-format off */
static const struct {
	const char *key;
	enum wish wish;
	bool of_app; /* on an App, for all of its objects, too */
	bool of_job; /* on nothing but a Job */
} settings[] = {
	{ "recond.dev/irreversible",   WISH_BOOL,    false, true },
	{ "recond.dev/phase",          WISH_PHASE,   false, true },
	{ "recond.dev/rollback",       WISH_BOOL,    true,  false },
	{ "recond.dev/self-heal",      WISH_BOOL,    true,  false },
	{ "recond.dev/verify-seconds", WISH_SECONDS, true,  false },
};

static const char *const wish_texts[] = {
	[WISH_BOOL]    = "\"true\" or \"false\"",
	[WISH_SECONDS] = "a number of seconds from 0 to 86400",
	[WISH_PHASE]   = "\"pre-deploy\"",
};
/* clang-format on */

/* The row of KEY; -1: it has none. */
static int find_setting(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (str_eq(settings[i].key, key))
			return (int)i;
	}
	return -1;
}

/* The setting that KEY was to be, as " (did you mean ...?)", or "". Owned by the caller. */
static char *suggestion(const char *key, bool of_app)
{
	const char *names[ARRAY_SIZE(settings) + 1] = {0}, *near;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!of_app || settings[i].of_app)
			names[n++] = settings[i].key;
	}
	near = str_nearest(key, names);
	return near ? mem_asprintf(" (did you mean %s?)", near) : mem_strdup("");
}

static bool value_fits(enum wish wish, const char *value)
{
	uint64_t seconds;

	switch (wish) {
	case WISH_BOOL:
		return str_eq(value, "true") || str_eq(value, "false");
	case WISH_SECONDS:
		return str_parse_u64(&seconds, value, 0, MAX_SECONDS) == 0;
	case WISH_PHASE:
		return str_eq(value, "pre-deploy");
	}
	return false;
}

/* Nothing but a name and annotations has a meaning here. */
static void check_members(struct findings *errors, const struct finding_place *at, const json_t *j,
			  const struct path *up, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)j, key, value) {
		const struct path path = {up, key, 0};
		bool found = false;

		for (size_t i = 0; known[i]; i++)
			found |= str_eq(known[i], key);
		if (!found)
			findings_add_key(errors, at, &path,
					 "has no meaning for an App in a source");
	}
}

static void take_annotation(struct manifest_app_state *a, const struct finding_place *at,
			    const char *key, const json_t *value)
{
	const struct path annotations = {&metadata, "annotations", 0};
	const struct path path = {&annotations, key, 0};
	const char *text = json_string_value(value);
	int row = find_setting(key);
	bool known = row >= 0 && settings[row].of_app;

	if (!text) {
		findings_add(&a->errors, at, &path, "must be a string: write it in quotes");
	} else if (known && !value_fits(settings[row].wish, text)) {
		findings_add(&a->errors, at, &path, "'%s' is not %s", text,
			     wish_texts[settings[row].wish]);
	} else if (known) {
		json_set(a->settings, key, json_text(text));
	} else if (str_skip_prefix(key, "recond.dev/")) {
		autofree char *hint = suggestion(key, true);

		findings_add_key(&a->errors, at, &path, "is no setting of an app%s", hint);
	}
}

/* An annotation of an object: what is meant for recond has to be understood. */
static void check_annotation(struct manifest_app_state *a, const struct finding_place *at,
			     enum kind kind, const char *key, const char *text)
{
	const struct path annotations = {&metadata, "annotations", 0};
	const struct path path = {&annotations, key, 0};
	int row = find_setting(key);

	if (row < 0) {
		autofree char *hint = suggestion(key, false);

		findings_add_key(&a->errors, at, &path, "is no setting of recond%s", hint);
	} else if (settings[row].of_job && kind != KIND_JOB) {
		findings_add_key(&a->errors, at, &path, "has a meaning for Jobs only");
	} else if (!value_fits(settings[row].wish, text)) {
		findings_add(&a->errors, at, &path, "'%s' is not %s", text,
			     wish_texts[settings[row].wish]);
	}
}

void manifest_settings_check(struct manifest_app_state *a, const struct finding_place *at,
			     enum kind kind, const json_t *j)
{
	const json_t *annotations = json_path(j, "metadata.annotations"), *value;
	const struct path list = {&metadata, "annotations", 0};
	const struct path path = {&list, "recond.dev/irreversible", 0};
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)annotations, key, value) {
		if (json_is_string(value) && str_skip_prefix(key, "recond.dev/") &&
		    !object_is_bookkeeping(key))
			check_annotation(a, at, kind, key, json_string_value(value));
	}
	if (kind == KIND_JOB && json_object_get(annotations, "recond.dev/irreversible") &&
	    !json_object_get(annotations, "recond.dev/phase"))
		findings_add_key(&a->errors, at, &path,
				 "has a meaning with recond.dev/phase: pre-deploy only");
}

void manifest_settings_decode(struct manifest_app_state *a, const struct finding_place *at,
			      const json_t *j)
{
	static const char *const top[] = {"apiVersion", "kind", "metadata", NULL};
	static const char *const inner[] = {"name", "annotations", "labels", NULL};
	const struct path name = {&metadata, "name", 0};
	const char *key;
	json_t *value;

	if (a->settings) {
		findings_add(&a->errors, at, NULL, "an app has one App object at most");
		return;
	}
	a->settings = json_object();
	check_members(&a->errors, at, j, NULL, top);
	check_members(&a->errors, at, json_object_get(j, "metadata"), &metadata, inner);
	if (!str_eq(json_path_str(j, "metadata.name", ""), a->input->name))
		findings_add(&a->errors, at, &name, "must be '%s', the app it stands in",
			     a->input->name);
	json_object_foreach(json_path(j, "metadata.annotations"), key, value)
		take_annotation(a, at, key, value);
}
