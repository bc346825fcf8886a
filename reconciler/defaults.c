/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaulting: first what the schema table says, field by field, then the defaults that depend on
 * other fields.
 */
#include "reconciler/defaults.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/format.h"
#include "reconciler/object.h"
#include "reconciler/quantity.h"
#include "reconciler/schema.h"

static void object_defaults(const struct schema *s, json_t *o);

/* Set KEY of O to VALUE (stolen) unless it is there. */
static void set_missing(json_t *o, const char *key, json_t *value)
{
	if (json_object_get(o, key))
		json_decref(value);
	else
		json_set(o, key, value);
}

/* The member KEY of O as an object, made when missing; NULL when it is something else. Borrowed. */
static json_t *ensure_object(json_t *o, const char *key)
{
	json_t *member = json_object_get(o, key);

	if (!member) {
		member = json_object();
		json_set(o, key, member);
	}
	return json_is_object(member) ? member : NULL;
}

/* ---- by the table ---- */

/* Does VALUE say the same as no value? */
static bool says_nothing(const struct schema_field *f, const json_t *value)
{
	if (json_is_null(value))
		return true;
	if (f->flags & FIELD_REQUIRED)
		return false;
	if (f->type == SCHEMA_STRING && json_is_string(value))
		return json_string_length(value) == 0 &&
		       !(f->fallback && str_eq(f->fallback, "\"\""));
	if (f->type == SCHEMA_LIST)
		return json_is_array(value) && json_array_size(value) == 0;
	if (f->type == SCHEMA_MAP)
		return json_is_object(value) && json_object_size(value) == 0;
	if (f->flags & FIELD_OMIT_ZERO)
		return json_is_false(value) ||
		       (json_is_integer(value) && json_integer_value(value) == 0);
	return false;
}

/* VALUE in its canonical spelling when it is a quantity; a new reference, or NULL to leave it. */
static json_t *canonical_quantity(const json_t *value, bool round)
{
	autofree char *text = NULL;
	struct quantity q;

	if (quantity_parse_json(&q, value) < 0)
		return NULL;
	if (round)
		q = quantity_round_milli(&q);
	text = quantity_format(&q);
	return json_text(text);
}

static void map_defaults(const struct schema_field *f, json_t *map)
{
	json_t *value;
	const char *key;
	void *next;

	json_object_foreach_safe(map, next, key, value) {
		if (json_is_null(value)) {
			(void)json_object_del(map, key);
		} else if (f->of == SCHEMA_QUANTITY) {
			json_t *canonical = canonical_quantity(value, true);

			if (canonical)
				json_set(map, key, canonical);
		}
	}
}

static void field_defaults(const struct schema_field *f, json_t *o)
{
	json_t *value = json_object_get(o, f->name);
	json_t *element, *canonical;
	size_t i;

	if (value && says_nothing(f, value)) {
		(void)json_object_del(o, f->name);
		value = NULL;
	}
	if (!value && f->fallback) {
		value = json_loads(f->fallback, JSON_DECODE_ANY, NULL);
		assert(value);
		json_set(o, f->name, value);
	}
	if (f->type == SCHEMA_OBJECT && json_is_object(value))
		object_defaults(f->object, value);
	if (f->type == SCHEMA_MAP && json_is_object(value))
		map_defaults(f, value);
	if (f->type == SCHEMA_QUANTITY && value) {
		canonical = canonical_quantity(value, false);
		if (canonical)
			json_set(o, f->name, canonical);
	}
	if (f->type != SCHEMA_LIST || f->of != SCHEMA_OBJECT)
		return;
	json_array_foreach(value, i, element) {
		if (json_is_object(element))
			object_defaults(f->object, element);
	}
}

static void object_defaults(const struct schema *s, json_t *o)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].support != SUPPORT_IGNORE)
			field_defaults(&s->fields[i], o);
}

/* ---- pods ---- */

static void pull_policy_default(json_t *container)
{
	const char *image = json_string_value(json_object_get(container, "image"));
	bool latest;

	if (!image)
		return;
	(void)format_image_has_tag(image, &latest);
	set_missing(container, "imagePullPolicy", json_text(latest ? "Always" : "IfNotPresent"));
}

static void volume_default(json_t *volume)
{
	if (json_object_size(volume) == 1 && json_object_get(volume, "name"))
		json_set(volume, "emptyDir", json_object());
}

static const char *const container_lists[] = {"containers", "initContainers"};

static void pod_spec_defaults(json_t *spec)
{
	json_t *element;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++)
		json_array_foreach(json_object_get(spec, container_lists[l]), i, element) {
			pull_policy_default(element);
		}
	json_array_foreach(json_object_get(spec, "volumes"), i, element) {
		volume_default(element);
	}
}

/* Only on Pod objects, never in templates: requests follow limits, and the host's network takes the
 * same ports. */
static void pod_container_defaults(json_t *container, bool host_network)
{
	json_t *resources = json_object_get(container, "resources");
	json_t *limits = json_object_get(resources, "limits");
	json_t *limit, *requests, *port;
	const char *name;
	size_t i;

	if (json_object_size(limits) > 0) {
		requests = ensure_object(resources, "requests");
		json_object_foreach(limits, name, limit) {
			set_missing(requests, name, json_incref(limit));
		}
	}
	if (!host_network)
		return;
	json_array_foreach(json_object_get(container, "ports"), i, port) {
		json_t *own = json_object_get(port, "containerPort");

		if (own)
			set_missing(port, "hostPort", json_incref(own));
	}
}

static void pod_defaults(json_t *o)
{
	json_t *spec = json_object_get(o, "spec");
	bool host_network = json_is_true(json_object_get(spec, "hostNetwork"));
	json_t *container;
	size_t i;

	if (!json_is_object(spec))
		return;
	pod_spec_defaults(spec);
	set_missing(spec, "enableServiceLinks", json_true());
	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++)
		json_array_foreach(json_object_get(spec, container_lists[l]), i, container) {
			pod_container_defaults(container, host_network);
		}
}

/* ---- the other kinds ---- */

static void template_defaults(json_t *o)
{
	json_t *spec =
		json_object_get(json_object_get(json_object_get(o, "spec"), "template"), "spec");

	if (json_is_object(spec))
		pod_spec_defaults(spec);
}

/* One pod to its end when nothing says otherwise; the labels of the pods are the Job's, too. */
static void job_defaults(json_t *o)
{
	json_t *spec = json_object_get(o, "spec");
	json_t *labels = json_path(spec, "template.metadata.labels");
	json_t *meta = json_object_get(o, "metadata");
	bool policy = json_object_get(spec, "podFailurePolicy");

	if (!json_is_object(spec))
		return;
	if (!json_object_get(spec, "completions") && !json_object_get(spec, "parallelism"))
		json_set(spec, "completions", json_integer(1));
	set_missing(spec, "parallelism", json_integer(1));
	set_missing(spec, "podReplacementPolicy",
		    json_text(policy ? "Failed" : "TerminatingOrFailed"));
	if (json_is_object(labels) && json_object_size(json_object_get(meta, "labels")) == 0)
		json_set(meta, "labels", json_clone(labels));
}

static void strategy_defaults(json_t *o)
{
	json_t *strategy = json_object_get(json_object_get(o, "spec"), "strategy");
	json_t *rolling;

	if (!str_eq(json_string_value(json_object_get(strategy, "type")), "RollingUpdate"))
		return;
	rolling = ensure_object(strategy, "rollingUpdate");
	if (!rolling)
		return;
	set_missing(rolling, "maxUnavailable", json_text("25%"));
	set_missing(rolling, "maxSurge", json_text("25%"));
}

static void service_defaults(json_t *o)
{
	json_t *spec = json_object_get(o, "spec");
	const char *type = json_path_str(spec, "type", "ClusterIP");
	json_t *port, *config;
	size_t i;

	json_array_foreach(json_object_get(spec, "ports"), i, port) {
		json_t *own = json_object_get(port, "port");

		if (own && !str_eq(type, "ExternalName"))
			set_missing(port, "targetPort", json_incref(own));
	}
	if (str_eq(type, "NodePort") || str_eq(type, "LoadBalancer"))
		set_missing(spec, "externalTrafficPolicy", json_text("Cluster"));
	if (str_eq(type, "LoadBalancer"))
		set_missing(spec, "allocateLoadBalancerNodePorts", json_true());
	if (str_eq(json_path_str(spec, "sessionAffinity", ""), "ClientIP")) {
		config = ensure_object(spec, "sessionAffinityConfig");
		config = config ? ensure_object(config, "clientIP") : NULL;
		if (config)
			set_missing(config, "timeoutSeconds", json_integer(10800));
	}
}

/* TEXT without the line breaks that base64 may hold; a new reference. */
static json_t *base64_joined(const char *text)
{
	autofree char *joined = mem_alloc(strlen(text) + 1);
	size_t n = 0;

	for (; *text; text++)
		if (*text != '\n' && *text != '\r')
			joined[n++] = *text;
	joined[n] = '\0';
	return json_text(joined);
}

static json_t *base64_encoded(const char *text, size_t n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)text;
	autofree char *out = mem_alloc((n + 2) / 3 * 4 + 1);
	size_t o = 0;

	for (size_t i = 0; i < n; i += 3) {
		unsigned int bits = (unsigned int)in[i] << 16;

		bits |= i + 1 < n ? (unsigned int)in[i + 1] << 8 : 0;
		bits |= i + 2 < n ? (unsigned int)in[i + 2] : 0;
		out[o++] = alphabet[bits >> 18 & 63];
		out[o++] = alphabet[bits >> 12 & 63];
		out[o++] = i + 1 < n ? alphabet[bits >> 6 & 63] : '=';
		out[o++] = i + 2 < n ? alphabet[bits & 63] : '=';
	}
	out[o] = '\0';
	return json_text(out);
}

static void base64_join_all(json_t *map)
{
	json_t *value;
	const char *key;

	if (!json_is_object(map))
		return;
	json_object_foreach(map, key, value) {
		if (json_is_string(value))
			json_set(map, key, base64_joined(json_string_value(value)));
	}
}

static void secret_defaults(json_t *o)
{
	json_t *text = json_object_get(o, "stringData");
	json_t *data, *value;
	const char *key;

	base64_join_all(json_object_get(o, "data"));
	data = json_is_object(text) ? ensure_object(o, "data") : NULL;
	if (data)
		json_object_foreach(text, key, value) {
			if (json_is_string(value))
				json_set(data, key,
					 base64_encoded(json_string_value(value),
							json_string_length(value)));
		}
	(void)json_object_del(o, "stringData");
}

static void image_defaults(json_t *o)
{
	json_t *spec = json_object_get(o, "spec");
	json_t *tags = json_object_get(spec, "tags");
	json_t *tag;
	size_t i;

	if (!json_is_object(spec))
		return;
	if (!tags) {
		tags = json_array();
		json_set(spec, "tags", tags);
		(void)json_array_append_new(tags, json_text(object_name(o)));
	}
	json_array_foreach(tags, i, tag) {
		const char *s = json_string_value(tag);

		if (s && !format_image_has_tag(s, NULL)) {
			autofree char *full = mem_asprintf("%s:latest", s);

			(void)json_array_set_new(tags, i, json_text(full));
		}
	}
}

static void namespace_defaults(json_t *o)
{
	json_t *labels = ensure_object(ensure_object(o, "metadata"), "labels");

	if (labels && *object_name(o))
		json_set(labels, "kubernetes.io/metadata.name", json_text(object_name(o)));
}

void defaults_apply(enum kind kind, json_t *o)
{
	const struct schema *s = schema_of(kind);
	json_t *meta;

	assert(s && json_is_object(o));
	object_defaults(s, o);
	meta = ensure_object(o, "metadata");
	if (meta && kind_info(kind)->namespaced)
		set_missing(meta, "namespace", json_text("default"));
	switch (kind) {
	case KIND_POD:
		pod_defaults(o);
		break;
	case KIND_DEPLOYMENT:
		strategy_defaults(o);
		template_defaults(o);
		break;
	case KIND_REPLICASET:
		template_defaults(o);
		break;
	case KIND_JOB:
		job_defaults(o);
		template_defaults(o);
		break;
	case KIND_SERVICE:
		service_defaults(o);
		break;
	case KIND_SECRET:
		secret_defaults(o);
		break;
	case KIND_CONFIGMAP:
		base64_join_all(json_object_get(o, "binaryData"));
		break;
	case KIND_IMAGE:
		image_defaults(o);
		break;
	case KIND_NAMESPACE:
		namespace_defaults(o);
		break;
	default:
		break;
	}
}
