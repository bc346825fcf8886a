/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing objects. What makes two objects comparable is one function for both sides; there is no
 * textual comparison of what somebody wrote.
 */
#include "reconciler/diff.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/defaults.h"
#include "reconciler/jobspec.h"
#include "reconciler/object.h"
#include "reconciler/schema.h"
#include "reconciler/textdiff.h"
#include "reconciler/yamlout.h"

json_t *diff_comparable(const json_t *o)
{
	json_t *copy = object_normalised(o);

	if (schema_of(object_kind(o)))
		defaults_apply(object_kind(o), copy);
	return copy;
}

/* The element of the keyed LIST that is meant by ELEMENT, borrowed, or NULL. */
static json_t *same_element(const json_t *list, const char *list_key, const json_t *element)
{
	autofree char *key = schema_element_key(list_key, element);
	json_t *other;
	size_t i;

	json_array_foreach(list, i, other) {
		autofree char *other_key = schema_element_key(list_key, other);

		if (key && str_eq(key, other_key))
			return other;
	}
	return NULL;
}

static void adopt(json_t *desired, const json_t *live, const char *const *names)
{
	for (; *names; names++) {
		json_t *value = json_object_get(live, *names);

		if (value && !json_object_get(desired, *names))
			json_set(desired, *names, json_clone(value));
	}
}

static void adopt_service(json_t *desired, const json_t *live)
{
	static const char *const given[] = {"clusterIP",      "clusterIPs",          "ipFamilies",
					    "ipFamilyPolicy", "healthCheckNodePort", NULL};
	static const char *const port_given[] = {"nodePort", NULL};
	const struct schema_field *ports = schema_find(KIND_SERVICE, "spec.ports");
	const json_t *live_ports = json_path(live, "spec.ports");
	json_t *port;
	size_t i;

	assert(ports);
	adopt(json_object_get(desired, "spec"), json_object_get(live, "spec"), given);
	if (!str_eq(json_path_str(desired, "spec.type", ""), json_path_str(live, "spec.type", "")))
		return;
	json_array_foreach(json_path(desired, "spec.ports"), i, port) {
		adopt(port, same_element(live_ports, ports->list_key, port), port_given);
	}
}

json_t *diff_adopt(const json_t *desired, const json_t *live)
{
	json_t *copy = json_clone(desired);

	assert(copy);
	if (object_kind(desired) == KIND_SERVICE)
		adopt_service(copy, live);
	return copy;
}

/*
 * O with the values of a Secret hidden. A value that OTHER has not, or differently, is marked by
 * WHEN: no hash and no size, which would help to guess it.
 */
static json_t *masked(const json_t *o, const json_t *other, const char *when)
{
	json_t *copy = json_clone(o);
	json_t *data = json_object_get(copy, "data");
	json_t *value;
	const char *key;

	assert(copy);
	if (object_kind(o) != KIND_SECRET || !json_is_object(data))
		return copy;
	json_object_foreach(data, key, value) {
		const json_t *there = json_object_get(json_object_get(other, "data"), key);
		bool differs = there && !json_equal(there, value);

		json_set(data, key, json_text(differs ? when : "(hidden)"));
	}
	return copy;
}

json_t *diff_masked(const json_t *o)
{
	return masked(o, NULL, "");
}

/* The YAML that stands for O in a diff against OTHER, owned by the caller; "" for NULL. */
static char *shown(const json_t *o, const json_t *other, const char *when)
{
	autojson *hidden = o ? masked(o, other, when) : NULL;
	autostrbuf out = STRBUF_INIT;

	if (hidden)
		yamlout_write(&out, hidden);
	return strbuf_take(&out);
}

bool diff_objects(struct strbuf *out, const json_t *live, const json_t *desired)
{
	autojson *have = live ? diff_comparable(live) : NULL;
	autojson *ask = desired ? diff_comparable(desired) : NULL;
	autojson *want = NULL;
	autofree char *a = NULL, *b = NULL;

	if (ask)
		want = have ? diff_adopt(ask, have) : json_incref(ask);
	if (have && want && json_equal(have, want))
		return false;
	a = shown(have, want, "(hidden, before)");
	b = shown(want, have, "(hidden, after)");
	return textdiff_unified(out, a, b);
}

/* The first changed immutable field of S between LIVE and DESIRED, below PREFIX. */
static char *immutable_in(const struct schema *s, const json_t *live, const json_t *desired,
			  const char *prefix)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct schema_field *f = &s->fields[i];
		const json_t *a = json_object_get(live, f->name);
		const json_t *b = json_object_get(desired, f->name);

		if ((f->flags & FIELD_IMMUTABLE) && (a || b) && !(a && b && json_equal(a, b)))
			return mem_asprintf("%s%s", prefix, f->name);
	}
	return NULL;
}

char *diff_immutable(const json_t *live, const json_t *desired)
{
	static const char *const frozen[] = {"data", "binaryData", "immutable"};
	enum kind kind = object_kind(live);
	const struct schema *s = schema_of(kind);
	const struct schema_field *spec = s ? schema_field(s, "spec") : NULL;
	autojson *have = diff_comparable(live);
	autojson *want = diff_comparable(desired);
	char *path;

	if (!s)
		return NULL;
	if (kind == KIND_JOB)
		return jobspec_frozen(have, want);
	path = immutable_in(s, have, want, "");
	if (!path && spec && spec->object)
		path = immutable_in(spec->object, json_object_get(have, "spec"),
				    json_object_get(want, "spec"), "spec.");
	if (path || !json_path_bool(have, "immutable", false))
		return path;
	if (kind != KIND_CONFIGMAP && kind != KIND_SECRET)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(frozen); i++) {
		const json_t *a = json_object_get(have, frozen[i]);
		const json_t *b = json_object_get(want, frozen[i]);

		if ((a || b) && !(a && b && json_equal(a, b)))
			return mem_strdup(frozen[i]);
	}
	return NULL;
}
