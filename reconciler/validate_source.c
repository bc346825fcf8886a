/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between the fields of a Source.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/validate_priv.h"

static const struct path spec_path = {NULL, "spec", 0};

static void check_place(const struct validation *v, const json_t *spec)
{
	const char *path = json_string_value(json_object_get(spec, "path"));
	const char *repository = json_string_value(json_object_get(spec, "repository"));
	const char *place = path ?: repository;

	if (!json_object_get(spec, "path") == !json_object_get(spec, "repository"))
		ERR(v, &spec_path, "must have exactly one of path and repository");
	if (path && json_object_get(spec, "branch"))
		ERR(v, MEMBER(&spec_path, "branch"), "goes with repository, not with path");
	if (repository && !json_object_get(spec, "branch"))
		ERR(v, &spec_path, "branch is missing");
	if (place && strchr(place, '#'))
		ERR(v, MEMBER(&spec_path, path ? "path" : "repository"), "must not contain '#'%s",
		    path ? " (a branch goes with repository)" : "");
}

static void check_command(const struct validation *v, const struct path *up, const json_t *hook)
{
	const struct path path = {up, "command", 0};
	const json_t *command = json_object_get(hook, "command");
	const char *program = json_string_value(json_array_get(command, 0));

	if (program && *program != '/')
		ERR(v, ELEMENT(&path, 0), "'%.100s' must be an absolute path: there is no shell",
		    program);
	if (json_object_get(hook, "user") && !command)
		ERR(v, MEMBER(up, "user"), "goes with command");
}

/* Header lines are made of these: a line break would be a header of its own. */
static void check_headers(const struct validation *v, const struct path *up, const json_t *hook)
{
	const struct path webhook = {up, "webhook", 0}, path = {&webhook, "headers", 0};
	const json_t *value;
	const char *key;

	json_object_foreach(json_path(hook, "webhook.headers"), key, value) {
		const char *text = json_string_value(value);

		for (; text && *text; text++)
			if ((unsigned char)*text < ' ' || *text == 0x7f)
				break;
		if (text && *text)
			ERR(v, MEMBER(&path, key), "must not contain control characters");
	}
}

void validate_source(const struct validation *v, const json_t *o)
{
	const struct path notify = {&spec_path, "notify", 0};
	const json_t *spec = json_object_get(o, "spec"), *hook;
	size_t i;

	if (!json_is_object(spec))
		return;
	check_place(v, spec);
	json_array_foreach(json_object_get(spec, "notify"), i, hook) {
		const struct path at = {&notify, NULL, i};

		if (!json_is_object(hook))
			continue;
		if (!json_object_get(hook, "command") == !json_object_get(hook, "webhook"))
			ERR(v, &at, "must have exactly one of command and webhook");
		check_command(v, &at, hook);
		check_headers(v, &at, hook);
	}
}
