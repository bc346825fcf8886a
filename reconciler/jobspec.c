/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generated selector of Jobs, and the comparison that leaves it out.
 */
#include "reconciler/jobspec.h"

#include <assert.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/object.h"

static const char *const generated[] = {JOBSPEC_LABEL_NAME, JOBSPEC_LABEL_UID, "job-name",
					"controller-uid"};

/* What stays as it was when the Job was made. */
static const char *const frozen[] = {"template", "completionMode", "podFailurePolicy",
				     "manualSelector", "selector"};

static json_t *ensure_object(json_t *o, const char *path)
{
	if (!json_is_object(json_path(o, path)))
		json_path_set_new(o, path, json_object());
	return json_path(o, path);
}

static bool set_text(json_t *o, const char *key, const char *value)
{
	if (str_eq(json_string_value(json_object_get(o, key)), value))
		return false;
	json_set(o, key, json_text(value));
	return true;
}

bool jobspec_generate(json_t *job)
{
	json_t *labels;
	bool changed = false;

	assert(*object_uid(job) && *object_name(job));
	if (json_path_bool(job, "spec.manualSelector", false))
		return false;
	labels = ensure_object(job, "spec.template.metadata.labels");
	changed |= set_text(labels, JOBSPEC_LABEL_NAME, object_name(job));
	changed |= set_text(labels, JOBSPEC_LABEL_UID, object_uid(job));
	changed |= set_text(labels, "job-name", object_name(job));
	changed |= set_text(labels, "controller-uid", object_uid(job));
	if (!json_path(job, "spec.selector")) {
		json_path_set_new(
			job, "spec.selector",
			json_pack("{s:{s:s}}", "matchLabels", JOBSPEC_LABEL_UID, object_uid(job)));
		changed = true;
	}
	return changed;
}

static void drop_empty(json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_object(v) && json_object_size(v) == 0)
		(void)json_object_del(o, key);
}

static void strip_labels(json_t *metadata)
{
	json_t *labels = json_object_get(metadata, "labels");

	if (!json_is_object(labels))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(generated); i++)
		(void)json_object_del(labels, generated[i]);
	drop_empty(metadata, "labels");
}

void jobspec_strip(json_t *job)
{
	json_t *spec = json_object_get(job, "spec");
	json_t *template = json_object_get(spec, "template");

	if (!json_is_object(spec) || json_path_bool(spec, "manualSelector", false))
		return;
	(void)json_object_del(spec, "selector");
	strip_labels(json_object_get(template, "metadata"));
	if (template)
		drop_empty(template, "metadata");
	strip_labels(json_object_get(job, "metadata"));
}

static bool differs(const json_t *a, const json_t *b)
{
	return (a || b) && !(a && b && json_equal(a, b));
}

/* An Indexed Job whose width is its length may be made wider or narrower. */
static bool completions_frozen(const json_t *live, const json_t *wanted)
{
	bool indexed = str_eq(json_path_str(live, "completionMode", ""), "Indexed");

	if (!differs(json_object_get(live, "completions"), json_object_get(wanted, "completions")))
		return false;
	return !indexed ||
	       json_path_int(live, "completions", -1) != json_path_int(live, "parallelism", 1) ||
	       json_path_int(wanted, "completions", -1) != json_path_int(wanted, "parallelism", 1);
}

char *jobspec_frozen(const json_t *live, const json_t *wanted)
{
	autojson *a = json_clone(live), *b = json_clone(wanted);
	const json_t *have = json_object_get(a, "spec"), *want = json_object_get(b, "spec");

	jobspec_strip(a);
	jobspec_strip(b);
	for (size_t i = 0; i < ARRAY_SIZE(frozen); i++) {
		if (differs(json_object_get(have, frozen[i]), json_object_get(want, frozen[i])))
			return mem_asprintf("spec.%s", frozen[i]);
	}
	return completions_frozen(have, want) ? mem_strdup("spec.completions") : NULL;
}

void jobspec_digest(char ret[80], const json_t *job)
{
	autojson *copy = json_clone(job), *kept = json_object();
	json_t *value;

	jobspec_strip(copy);
	for (size_t i = 0; i < ARRAY_SIZE(frozen); i++) {
		value = json_object_get(json_object_get(copy, "spec"), frozen[i]);
		if (value)
			json_set(kept, frozen[i], json_incref(value));
	}
	value = json_path(copy, "spec.completions");
	if (value)
		json_set(kept, "completions", json_incref(value));
	json_digest(ret, kept);
}
