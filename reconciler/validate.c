/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a document against the schema table: unknown fields with a suggestion, types, forms,
 * bounds, what is missing, and what this release does not honour. The rules between fields are in
 * validate_rules.c and validate_pod.c.
 */
#include "reconciler/validate.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/quantity.h"
#include "reconciler/schema.h"
#include "reconciler/validate_priv.h"

static void check_object(const struct validation *v, const struct schema *s, const json_t *j,
			 const struct path *path);

static const char *type_of(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "a mapping";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	default:
		return "null";
	}
}

/* The wrong type. A number or boolean where text is wanted gets the usual advice; its value may be
 * a secret. */
static void wrong_type(const struct validation *v, enum schema_type want, const json_t *j,
		       const struct path *path)
{
	bool quote = want == SCHEMA_STRING && (json_is_number(j) || json_is_boolean(j));
	bool unquote = json_is_string(j) && (want == SCHEMA_INT || want == SCHEMA_BOOL);

	ERR(v, path, "must be %s, is %s%s", schema_type_name(want), type_of(j),
	    quote     ? " (put it in quotes)"
	    : unquote ? " (leave the quotes away)"
		      : "");
}

static void check_string(const struct validation *v, const struct schema_field *f, const json_t *j,
			 const struct path *path)
{
	const char *s = json_string_value(j);
	const char *problem, *near;
	autostrbuf list = STRBUF_INIT;

	/* An optional string may be given empty, which is as if it were missing. */
	if (!*s && f->type != SCHEMA_LIST && f->type != SCHEMA_MAP &&
	    !(f->flags & (FIELD_REQUIRED | FIELD_NOT_EMPTY)))
		return;
	if (f->values) {
		for (size_t i = 0; f->values[i]; i++) {
			if (str_eq(f->values[i], s))
				return;
			if (*f->values[i])
				strbuf_addf(&list, "%s%s", list.len ? ", " : "", f->values[i]);
		}
		near = str_nearest(s, f->values);
		ERR(v, path, "'%.100s' is not one of %s%s%s%s", s, strbuf_str(&list),
		    near && *near ? " (did you mean " : "", near ? near : "",
		    near && *near ? "?)" : "");
		return;
	}
	if (!*s && (f->flags & FIELD_NOT_EMPTY)) {
		ERR(v, path, "must not be empty");
		return;
	}
	problem = format_check(f->format, s);
	if (problem && (f->flags & FIELD_SECRET))
		ERR(v, path, "%s", problem);
	else if (problem)
		ERR(v, path, "'%.100s': %s", s, problem);
}

static void check_int(const struct validation *v, const struct schema_field *f, const json_t *j,
		      const struct path *path)
{
	json_int_t n = json_integer_value(j);

	if ((f->min || f->max) && (n < f->min || n > f->max))
		ERR(v, path, "%lld is not within %lld and %lld", (long long)n, (long long)f->min,
		    (long long)f->max);
}

static void check_quantity(const struct validation *v, const json_t *j, const struct path *path)
{
	struct quantity q;

	if (!json_is_string(j) && !json_is_number(j))
		wrong_type(v, SCHEMA_QUANTITY, j, path);
	else if (quantity_parse_json(&q, j) < 0)
		ERR(v, path, "'%.40s' is not a quantity such as 500m, 1.5 or 64Mi",
		    json_is_string(j) ? json_string_value(j) : "?");
	else if (q.nano < 0)
		ERR(v, path, "must not be negative");
}

/* One value of TYPE: the field's own, or an element of it. */
static void check_value(const struct validation *v, const struct schema_field *f,
			enum schema_type type, const json_t *j, const struct path *path)
{
	switch (type) {
	case SCHEMA_STRING:
		if (json_is_string(j))
			check_string(v, f, j, path);
		else
			wrong_type(v, type, j, path);
		break;
	case SCHEMA_INT:
		if (json_is_integer(j))
			check_int(v, f, j, path);
		else
			wrong_type(v, type, j, path);
		break;
	case SCHEMA_BOOL:
		if (!json_is_boolean(j))
			wrong_type(v, type, j, path);
		break;
	case SCHEMA_QUANTITY:
		check_quantity(v, j, path);
		break;
	case SCHEMA_INT_OR_STRING:
		if (json_is_integer(j))
			check_int(v, f, j, path);
		else if (json_is_string(j))
			check_string(v, f, j, path);
		else
			wrong_type(v, type, j, path);
		break;
	case SCHEMA_OBJECT:
		if (json_is_object(j))
			check_object(v, f->object, j, path);
		else
			wrong_type(v, type, j, path);
		break;
	default:
		break;
	}
}

/* Elements that must be told apart by a key must differ in it. */
static void check_list_keys(const struct validation *v, const struct schema_field *f,
			    const json_t *j, const struct path *path)
{
	autojson *seen = json_object();
	const json_t *element;
	size_t i;

	json_array_foreach(j, i, element) {
		autofree char *key = schema_element_key(f->list_key, element);
		const json_t *first;

		if (!key)
			continue;
		first = json_object_get(seen, key);
		if (first && (f->flags & FIELD_DUPLICATES))
			NOTE(v, ELEMENT(path, i),
			     "%s '%.100s' is there already, as element %lld: this one counts",
			     f->list_key, key, (long long)json_integer_value(first));
		else if (first)
			ERR(v, ELEMENT(path, i), "%s '%.100s' is there already, as element %lld",
			    str_eq(f->list_key, "=") ? "the value" : f->list_key, key,
			    (long long)json_integer_value(first));
		else
			json_set(seen, key, json_integer((json_int_t)i));
	}
}

static void check_list(const struct validation *v, const struct schema_field *f, const json_t *j,
		       const struct path *path)
{
	const json_t *element;
	size_t i;

	if (!json_is_array(j)) {
		wrong_type(v, SCHEMA_LIST, j, path);
		return;
	}
	if (json_array_size(j) == 0 && (f->flags & FIELD_NOT_EMPTY))
		ERR(v, path, "must have at least one element");
	json_array_foreach(j, i, element) {
		if (json_is_null(element))
			ERR(v, ELEMENT(path, i), "must not be null");
		else
			check_value(v, f, f->of, element, ELEMENT(path, i));
	}
	check_list_keys(v, f, j, path);
}

static void check_map(const struct validation *v, const struct schema_field *f, const json_t *j,
		      const struct path *path)
{
	const json_t *value;
	const char *key, *problem;

	if (!json_is_object(j)) {
		wrong_type(v, SCHEMA_MAP, j, path);
		return;
	}
	json_object_foreach((json_t *)j, key, value) {
		problem = f->key_format ? format_check(f->key_format, key) : NULL;
		if (problem)
			findings_add_key(v->errors, &v->at, MEMBER(path, key), "the key %s",
					 problem);
		if (json_is_null(value)) {
			if (f->of == SCHEMA_STRING)
				ERR(v, MEMBER(path, key),
				    "must be a string, is null (for an empty one write \"\")");
			continue;
		}
		check_value(v, f, f->of, value, MEMBER(path, key));
	}
}

/* Say what of a valid field has no effect here. True when its inside need not be looked at. */
static bool check_support(const struct validation *v, const struct schema_field *f, const json_t *j,
			  const struct path *path)
{
	autojson *harmless = NULL;

	if (f->support == SUPPORT_IGNORE)
		return true;
	if (f->support == SUPPORT_FULL)
		return false;
	if (f->harmless) {
		harmless = json_loads(f->harmless, JSON_DECODE_ANY, NULL);
		assert(harmless);
		if (json_equal(harmless, j))
			return false;
	}
	if (f->support == SUPPORT_NOTE)
		findings_add_key(v->notes, &v->at, path,
				 "valid Kubernetes, but not supported yet: %s", f->why);
	else
		findings_add_key(v->errors, &v->at, path,
				 "valid Kubernetes, but not supported yet: %s", f->why);
	return false;
}

static void check_field(const struct validation *v, const struct schema_field *f, const json_t *j,
			const struct path *path)
{
	if (check_support(v, f, j, path))
		return;
	if (f->type == SCHEMA_LIST)
		check_list(v, f, j, path);
	else if (f->type == SCHEMA_MAP)
		check_map(v, f, j, path);
	else
		check_value(v, f, f->type, j, path);
}

static void check_object(const struct validation *v, const struct schema *s, const json_t *j,
			 const struct path *path)
{
	const json_t *value;
	const char *key;

	json_object_foreach((json_t *)j, key, value) {
		const struct schema_field *f = schema_field(s, key);
		const char *near;

		if (findings_full(v->errors))
			return;
		if (f && !json_is_null(value)) {
			check_field(v, f, value, MEMBER(path, key));
		} else if (!f) {
			near = schema_nearest(s, key);
			findings_add_key(v->errors, &v->at, MEMBER(path, key),
					 "%s has no such field%s%s%s", s->name,
					 near ? " (did you mean " : "", near ? near : "",
					 near ? "?)" : "");
		}
	}
	for (size_t i = 0; i < s->n; i++) {
		const json_t *given = json_object_get(j, s->fields[i].name);

		if ((s->fields[i].flags & FIELD_REQUIRED) && (!given || json_is_null(given)))
			ERR(v, path, "%s is missing", s->fields[i].name);
	}
}

/* metadata: what depends on the kind. */
static void check_meta(const struct validation *v, enum kind kind, const json_t *o)
{
	const struct path meta = {NULL, "metadata", 0};
	const json_t *m = json_object_get(o, "metadata");
	const json_t *value;
	const char *name = json_string_value(json_object_get(m, "name"));
	const char *key, *problem = NULL;
	size_t bytes = 0;

	if (!json_is_object(m))
		return;
	if (!json_object_get(m, "name"))
		ERR(v, &meta, "name is missing");
	if (kind == KIND_NAMESPACE || kind == KIND_SERVICE)
		problem = name ? format_check(FORMAT_DNS_LABEL, name) : NULL;
	if (problem && !format_check(FORMAT_DNS_SUBDOMAIN, name))
		ERR(v, MEMBER(&meta, "name"), "'%.100s': %s", name, problem);
	if (!kind_info(kind)->namespaced && json_object_get(m, "namespace"))
		ERR(v, MEMBER(&meta, "namespace"), "a %s is in no namespace",
		    kind_info(kind)->name);
	json_object_foreach(json_object_get(m, "annotations"), key, value) {
		bytes += strlen(key) + json_string_length(value);
	}
	if (bytes > 256u << 10)
		ERR(v, MEMBER(&meta, "annotations"), "more than 256 KiB in all");
}

static void check_rules(const struct validation *v, enum kind kind, const json_t *o)
{
	const struct path spec = {NULL, "spec", 0};

	switch (kind) {
	case KIND_POD:
		validate_pod_spec(v, &spec, json_object_get(o, "spec"), false);
		break;
	case KIND_DEPLOYMENT:
		validate_deployment(v, o);
		break;
	case KIND_REPLICASET:
		validate_replicaset(v, o);
		break;
	case KIND_JOB:
		validate_job(v, o);
		break;
	case KIND_SERVICE:
		validate_service(v, o);
		break;
	case KIND_CONFIGMAP:
		validate_configmap(v, o);
		break;
	case KIND_SECRET:
		validate_secret(v, o);
		break;
	case KIND_SOURCE:
		validate_source(v, o);
		break;
	default:
		break;
	}
}

size_t validate_object(const struct validation *v, enum kind kind, const json_t *o)
{
	const struct schema *s = schema_of(kind);
	size_t before = v->errors->n;

	assert(s && json_is_object(o));
	check_object(v, s, o, NULL);
	check_meta(v, kind, o);
	check_rules(v, kind, o);
	return v->errors->n - before;
}
