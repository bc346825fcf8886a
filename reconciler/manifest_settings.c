/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The App object in a source: annotations that say how recond handles all objects of the app it
 * stands in. It is no object of its own; the App that people see is written by recond.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/manifest_priv.h"

static const struct path metadata = {NULL, "metadata", 0};

static const char *const settings[] = {
	"recond.dev/rollback",
	"recond.dev/self-heal",
	"recond.dev/verify-seconds",
	NULL,
};

static bool is_setting(const char *key)
{
	for (size_t i = 0; settings[i]; i++) {
		if (str_eq(settings[i], key))
			return true;
	}
	return false;
}

static bool value_fits(const char *key, const char *value)
{
	uint64_t seconds;

	if (str_eq(key, "recond.dev/verify-seconds"))
		return str_parse_u64(&seconds, value, 0, 86400) == 0;
	return str_eq(value, "true") || str_eq(value, "false");
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
	const char *text = json_string_value(value), *near;

	if (!text) {
		findings_add(&a->errors, at, &path, "must be a string: write it in quotes");
	} else if (is_setting(key) && !value_fits(key, text)) {
		findings_add(&a->errors, at, &path, "'%s' is not %s", text,
			     str_eq(key, "recond.dev/verify-seconds")
				     ? "a number of seconds from 0 to 86400"
				     : "\"true\" or \"false\"");
	} else if (is_setting(key)) {
		json_set(a->settings, key, json_text(text));
	} else if (str_skip_prefix(key, "recond.dev/")) {
		near = str_nearest(key, settings);
		findings_add_key(&a->errors, at, &path, "is no setting of an app%s%s%s",
				 near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
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
