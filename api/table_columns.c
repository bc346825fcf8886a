/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns each kind has and what stands in them. Only reads documents; a missing field shows
 * as kubectl shows it ("<none>", "<unknown>", 0).
 */
#include <assert.h>
#include <string.h>

#include "api/age.h"
#include "api/table_priv.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"

#define NONE "<none>"
#define SHORT_REVISION 12

static json_t *text_at(const json_t *o, const char *path, const char *missing)
{
	const char *s = json_path_str(o, path, "");

	return json_text(*s ? s : missing);
}

static json_t *buffer_text(const struct strbuf *sb)
{
	return json_text(sb->len ? strbuf_str(sb) : NONE);
}

static json_t *age_text(const char *since, int64_t now_ns)
{
	char age[AGE_SIZE];

	age_since(age, since, now_ns);
	return json_string(age);
}

static json_t *cell_name(const json_t *o, int64_t now_ns UNUSED)
{
	return json_text(object_name(o));
}

static json_t *cell_age(const json_t *o, int64_t now_ns)
{
	return age_text(json_path_str(o, "metadata.creationTimestamp", ""), now_ns);
}

static json_t *cell_phase(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.phase", "");
}

static json_t *cell_type(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "type", "");
}

static json_t *cell_reason(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "reason", "");
}

static json_t *cell_message(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "message", "");
}

static json_t *cell_status_message(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.message", "");
}

/* "name,name" or "image,image" of the pod template's containers. */
static json_t *template_list(const json_t *o, const char *field)
{
	autostrbuf sb = STRBUF_INIT;
	size_t i;
	json_t *c;

	json_array_foreach(json_path(o, "spec.template.spec.containers"), i, c)
		strbuf_addf(&sb, "%s%s", i ? "," : "", json_path_str(c, field, ""));
	return buffer_text(&sb);
}

static json_t *cell_containers(const json_t *o, int64_t now_ns UNUSED)
{
	return template_list(o, "name");
}

static json_t *cell_images(const json_t *o, int64_t now_ns UNUSED)
{
	return template_list(o, "image");
}

/* "a=b,c=d" of a map, keys sorted. */
static void add_map(struct strbuf *sb, const json_t *map)
{
	autostrlist keys = {};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)map, key, value)
		strlist_add(&keys, key);
	strlist_sort(&keys);
	for (size_t i = 0; i < keys.n; i++)
		strbuf_addf(sb, "%s%s=%s", sb->len ? "," : "", keys.items[i],
			    json_string_value(json_object_get(map, keys.items[i])) ?: "");
}

static void add_expression(struct strbuf *sb, const json_t *e)
{
	static const struct {
		const char *op;
		const char *before;
		const char *after;
	} forms[] = {{"In", "", " in "},
		     {"NotIn", "", " notin "},
		     {"Exists", "", ""},
		     {"DoesNotExist", "!", ""}};
	size_t i;
	json_t *value;

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		if (str_eq(forms[f].op, json_path_str(e, "operator", "")))
			strbuf_addf(sb, "%s%s%s%s", sb->len ? "," : "", forms[f].before,
				    json_path_str(e, "key", ""), forms[f].after);
	}
	if (json_array_size(json_object_get(e, "values")) == 0)
		return;
	json_array_foreach(json_object_get(e, "values"), i, value)
		strbuf_addf(sb, "%s%s", i ? "," : "(", json_string_value(value) ?: "");
	strbuf_addc(sb, ')');
}

static json_t *cell_label_selector(const json_t *o, int64_t now_ns UNUSED)
{
	autostrbuf sb = STRBUF_INIT;
	size_t i;
	json_t *e;

	add_map(&sb, json_path(o, "spec.selector.matchLabels"));
	json_array_foreach(json_path(o, "spec.selector.matchExpressions"), i, e)
		add_expression(&sb, e);
	return buffer_text(&sb);
}

/* Deployments and ReplicaSets. */

static json_t *cell_deployment_ready(const json_t *o, int64_t now_ns UNUSED)
{
	return json_sprintf("%lld/%lld", (long long)json_path_int(o, "status.readyReplicas", 0),
			    (long long)json_path_int(o, "spec.replicas", 1));
}

static json_t *cell_updated(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "status.updatedReplicas", 0));
}

static json_t *cell_available(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "status.availableReplicas", 0));
}

static json_t *cell_replicas_desired(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "spec.replicas", 1));
}

static json_t *cell_replicas_current(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "status.replicas", 0));
}

static json_t *cell_replicas_ready(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "status.readyReplicas", 0));
}

/* Jobs. */

static json_t *cell_job_status(const json_t *o, int64_t now_ns UNUSED)
{
	static const char *const types[] = {"Complete",  "Failed",        "",
					    "Suspended", "FailureTarget", "SuccessCriteriaMet"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!*types[i] && object_deleting(o))
			return json_string("Terminating");
		if (str_eq(json_path_str(object_condition(o, types[i]), "status", ""), "True"))
			return json_string(types[i]);
	}
	return json_string("Running");
}

static json_t *cell_job_completions(const json_t *o, int64_t now_ns UNUSED)
{
	long long succeeded = json_path_int(o, "status.succeeded", 0);
	long long parallelism = json_path_int(o, "spec.parallelism", 0);

	if (json_path(o, "spec.completions"))
		return json_sprintf("%lld/%lld", succeeded,
				    (long long)json_path_int(o, "spec.completions", 0));
	if (parallelism > 1)
		return json_sprintf("%lld/1 of %lld", succeeded, parallelism);
	return json_sprintf("%lld/1", succeeded);
}

static json_t *cell_job_duration(const json_t *o, int64_t now_ns)
{
	const json_t *failed = object_condition(o, "Failed");
	int64_t end = now_ns;
	char age[AGE_SIZE];

	if (!json_path(o, "status.startTime"))
		return json_string("");
	if (str_eq(json_path_str(failed, "status", ""), "True"))
		(void)clock_parse_rfc3339(&end, json_path_str(failed, "lastTransitionTime", ""));
	else if (json_path(o, "status.completionTime"))
		(void)clock_parse_rfc3339(&end, json_path_str(o, "status.completionTime", ""));
	age_since(age, json_path_str(o, "status.startTime", ""), end);
	return json_string(age);
}

/* Pods. */

static json_t *cell_pod_ip(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.podIP", NONE);
}

static json_t *cell_pod_node(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "spec.nodeName", NONE);
}

static json_t *cell_pod_nominated(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.nominatedNodeName", NONE);
}

static json_t *cell_pod_gates(const json_t *o, int64_t now_ns UNUSED)
{
	json_t *gates = json_path(o, "spec.readinessGates");
	size_t n_true = 0;
	size_t i;
	json_t *gate;

	if (json_array_size(gates) == 0)
		return json_string(NONE);
	json_array_foreach(gates, i, gate) {
		const json_t *c = object_condition(o, json_path_str(gate, "conditionType", ""));

		n_true += c && str_eq(json_path_str(c, "status", ""), "True");
	}
	return json_sprintf("%zu/%zu", n_true, json_array_size(gates));
}

/* Services. */

static json_t *cell_service_type(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "spec.type", "ClusterIP");
}

static json_t *cell_cluster_ip(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "spec.clusterIP", NONE);
}

static void add_ingress(struct strbuf *sb, const json_t *o)
{
	size_t i;
	json_t *ingress;

	json_array_foreach(json_path(o, "status.loadBalancer.ingress"), i, ingress) {
		const char *address =
			json_path_str(ingress, "ip", json_path_str(ingress, "hostname", ""));

		if (*address)
			strbuf_addf(sb, "%s%s", sb->len ? "," : "", address);
	}
}

static json_t *cell_external_ip(const json_t *o, int64_t now_ns UNUSED)
{
	const char *type = json_path_str(o, "spec.type", "ClusterIP");
	autostrbuf sb = STRBUF_INIT;
	size_t i;
	json_t *ip;

	if (str_eq(type, "ExternalName"))
		return text_at(o, "spec.externalName", NONE);
	if (str_eq(type, "LoadBalancer"))
		add_ingress(&sb, o);
	json_array_foreach(json_path(o, "spec.externalIPs"), i, ip)
		strbuf_addf(&sb, "%s%s", sb.len ? "," : "", json_string_value(ip) ?: "");
	if (str_eq(type, "LoadBalancer") && sb.len == 0)
		return json_string("<pending>");
	return buffer_text(&sb);
}

static json_t *cell_ports(const json_t *o, int64_t now_ns UNUSED)
{
	autostrbuf sb = STRBUF_INIT;
	size_t i;
	json_t *port;

	json_array_foreach(json_path(o, "spec.ports"), i, port) {
		long long node_port = json_path_int(port, "nodePort", 0);

		strbuf_addf(&sb, "%s%lld", i ? "," : "", (long long)json_path_int(port, "port", 0));
		if (node_port)
			strbuf_addf(&sb, ":%lld", node_port);
		strbuf_addf(&sb, "/%s", json_path_str(port, "protocol", "TCP"));
	}
	return buffer_text(&sb);
}

static json_t *cell_map_selector(const json_t *o, int64_t now_ns UNUSED)
{
	autostrbuf sb = STRBUF_INIT;

	add_map(&sb, json_path(o, "spec.selector"));
	return buffer_text(&sb);
}

/* Configuration. */

static json_t *cell_data(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer((json_int_t)(json_object_size(json_object_get(o, "data")) +
					 json_object_size(json_object_get(o, "binaryData"))));
}

/* Events. */

static const char *event_time(const json_t *o, const char *first_choice)
{
	const char *t = json_path_str(o, first_choice, "");

	return *t ? t : json_path_str(o, "eventTime", "");
}

static json_t *cell_last_seen(const json_t *o, int64_t now_ns)
{
	return age_text(event_time(o, "lastTimestamp"), now_ns);
}

static json_t *cell_first_seen(const json_t *o, int64_t now_ns)
{
	return age_text(event_time(o, "firstTimestamp"), now_ns);
}

static json_t *cell_involved(const json_t *o, int64_t now_ns UNUSED)
{
	autofree char *kind = mem_strdup(json_path_str(o, "involvedObject.kind", ""));

	for (char *p = kind; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	return json_sprintf("%s/%s", kind, json_path_str(o, "involvedObject.name", ""));
}

static json_t *cell_field_path(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "involvedObject.fieldPath", "");
}

static json_t *cell_event_source(const json_t *o, int64_t now_ns UNUSED)
{
	const char *component =
		json_path_str(o, "source.component", json_path_str(o, "reportingComponent", ""));
	const char *host = json_path_str(o, "source.host", "");

	return *host ? json_sprintf("%s, %s", component, host) : json_text(component);
}

static json_t *cell_event_count(const json_t *o, int64_t now_ns UNUSED)
{
	return json_integer(json_path_int(o, "count", 1));
}

/* recond's own kinds. */

/* What a person needs of a revision: the first digits of its hash, without the algorithm. */
static json_t *short_revision(const char *revision)
{
	const char *hex = str_skip_prefix(revision, "sha256:");

	if (!hex)
		hex = revision;
	if (strspn(hex, "0123456789abcdef") == strlen(hex) && strlen(hex) > SHORT_REVISION)
		return json_stringn(hex, SHORT_REVISION);
	return json_text(*hex ? hex : NONE);
}

static json_t *cell_desired(const json_t *o, int64_t now_ns UNUSED)
{
	return short_revision(json_path_str(o, "status.desired.revision", ""));
}

static json_t *cell_effective(const json_t *o, int64_t now_ns UNUSED)
{
	return short_revision(json_path_str(o, "status.effective.revision", ""));
}

static json_t *cell_revision(const json_t *o, int64_t now_ns UNUSED)
{
	return short_revision(json_path_str(o, "status.revision", ""));
}

static json_t *cell_location(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.location", "");
}

static json_t *cell_status_reason(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.reason", "");
}

static json_t *cell_build_step(const json_t *o, int64_t now_ns UNUSED)
{
	long long steps = json_path_int(o, "status.steps", 0);

	if (steps == 0)
		return json_string("");
	return json_sprintf("%lld/%lld", (long long)json_path_int(o, "status.step", 0), steps);
}

static json_t *cell_build_text(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "status.text", "");
}

static json_t *cell_build_digest(const json_t *o, int64_t now_ns UNUSED)
{
	return short_revision(json_path_str(o, "status.digest", ""));
}

/* Images in the local store: flat documents of api_ops.images. */

static json_t *cell_image_repository(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "repository", NONE);
}

static json_t *cell_image_tag(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "tag", NONE);
}

static json_t *cell_image_digest(const json_t *o, int64_t now_ns UNUSED)
{
	return short_revision(json_path_str(o, "digest", ""));
}

static json_t *cell_image_full_digest(const json_t *o, int64_t now_ns UNUSED)
{
	return text_at(o, "digest", NONE);
}

static json_t *cell_image_created(const json_t *o, int64_t now_ns)
{
	return age_text(json_path_str(o, "created", ""), now_ns);
}

/* Decimal units with three digits, as docker and podman list sizes: "4.19MB". */
static json_t *cell_image_size(const json_t *o, int64_t now_ns UNUSED)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double size = (double)json_path_int(o, "sizeBytes", 0);
	size_t unit = 0;
	char text[32];

	while (size >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		size /= 1000;
		unit++;
	}
	(void)snprintf(text, sizeof(text), "%.3g%s", size, units[unit]);
	return json_string(text);
}

static json_t *cell_image_in_use(const json_t *o, int64_t now_ns UNUSED)
{
	return json_string(json_path_bool(o, "inUse", false) ? "True" : "False");
}

/* clang-format off */
#define NAME_COLUMN { "Name", "string", "name", 0, cell_name }
#define AGE_COLUMN { "Age", "string", "", 0, cell_age }
#define TEMPLATE_COLUMNS                                                                                               \
	{ "Containers", "string", "", 1, cell_containers },                                                            \
	{ "Images", "string", "", 1, cell_images },                                                                    \
	{ "Selector", "string", "", 1, cell_label_selector }

static const struct table_column namespace_columns[] = {
	NAME_COLUMN,
	{ "Status", "string", "", 0, cell_phase },
	AGE_COLUMN,
};
static const struct table_column configmap_columns[] = {
	NAME_COLUMN,
	{ "Data", "integer", "", 0, cell_data },
	AGE_COLUMN,
};
static const struct table_column secret_columns[] = {
	NAME_COLUMN,
	{ "Type", "string", "", 0, cell_type },
	{ "Data", "integer", "", 0, cell_data },
	AGE_COLUMN,
};
static const struct table_column service_columns[] = {
	NAME_COLUMN,
	{ "Type", "string", "", 0, cell_service_type },
	{ "Cluster-IP", "string", "", 0, cell_cluster_ip },
	{ "External-IP", "string", "", 0, cell_external_ip },
	{ "Port(s)", "string", "", 0, cell_ports },
	AGE_COLUMN,
	{ "Selector", "string", "", 1, cell_map_selector },
};
static const struct table_column pod_columns[] = {
	NAME_COLUMN,
	{ "Ready", "string", "", 0, table_pod_ready },
	{ "Status", "string", "", 0, table_pod_status },
	{ "Restarts", "string", "", 0, table_pod_restarts },
	AGE_COLUMN,
	{ "IP", "string", "", 1, cell_pod_ip },
	{ "Node", "string", "", 1, cell_pod_node },
	{ "Nominated Node", "string", "", 1, cell_pod_nominated },
	{ "Readiness Gates", "string", "", 1, cell_pod_gates },
};
static const struct table_column replicaset_columns[] = {
	NAME_COLUMN,
	{ "Desired", "integer", "", 0, cell_replicas_desired },
	{ "Current", "integer", "", 0, cell_replicas_current },
	{ "Ready", "integer", "", 0, cell_replicas_ready },
	AGE_COLUMN,
	TEMPLATE_COLUMNS,
};
static const struct table_column deployment_columns[] = {
	NAME_COLUMN,
	{ "Ready", "string", "", 0, cell_deployment_ready },
	{ "Up-to-date", "integer", "", 0, cell_updated },
	{ "Available", "integer", "", 0, cell_available },
	AGE_COLUMN,
	TEMPLATE_COLUMNS,
};
static const struct table_column job_columns[] = {
	NAME_COLUMN,
	{ "Status", "string", "", 0, cell_job_status },
	{ "Completions", "string", "", 0, cell_job_completions },
	{ "Duration", "string", "", 0, cell_job_duration },
	AGE_COLUMN,
	TEMPLATE_COLUMNS,
};
static const struct table_column event_columns[] = {
	{ "Last Seen", "string", "", 0, cell_last_seen },
	{ "Type", "string", "", 0, cell_type },
	{ "Reason", "string", "", 0, cell_reason },
	{ "Object", "string", "", 0, cell_involved },
	{ "Subobject", "string", "", 1, cell_field_path },
	{ "Source", "string", "", 1, cell_event_source },
	{ "Message", "string", "", 0, cell_message },
	{ "First Seen", "string", "", 1, cell_first_seen },
	{ "Count", "integer", "", 1, cell_event_count },
	{ "Name", "string", "name", 1, cell_name },
};
static const struct table_column app_columns[] = {
	NAME_COLUMN,
	{ "Phase", "string", "", 0, cell_phase },
	{ "Desired", "string", "", 0, cell_desired },
	{ "Effective", "string", "", 0, cell_effective },
	{ "Reason", "string", "", 0, cell_status_reason },
	AGE_COLUMN,
	{ "Message", "string", "", 1, cell_status_message },
};
static const struct table_column source_columns[] = {
	NAME_COLUMN,
	{ "Phase", "string", "", 0, cell_phase },
	{ "Revision", "string", "", 0, cell_revision },
	{ "Location", "string", "", 0, cell_location },
	{ "Reason", "string", "", 0, cell_status_reason },
	AGE_COLUMN,
	{ "Message", "string", "", 1, cell_status_message },
};
static const struct table_column image_columns[] = {
	NAME_COLUMN,
	{ "Phase", "string", "", 0, cell_phase },
	{ "Step", "string", "", 0, cell_build_step },
	{ "Digest", "string", "", 0, cell_build_digest },
	AGE_COLUMN,
	{ "Instruction", "string", "", 1, cell_build_text },
	{ "Message", "string", "", 1, cell_status_message },
};
static const struct table_column local_image_columns[] = {
	{ "Repository", "string", "name", 0, cell_image_repository },
	{ "Tag", "string", "", 0, cell_image_tag },
	{ "Digest", "string", "", 0, cell_image_digest },
	{ "Created", "string", "", 0, cell_image_created },
	{ "Size", "string", "", 0, cell_image_size },
	{ "In Use", "string", "", 1, cell_image_in_use },
	{ "Full Digest", "string", "", 1, cell_image_full_digest },
};

#define COLUMNS(c) { (c), ARRAY_SIZE(c) }
static const struct table tables[KIND_N_] = {
	[KIND_NAMESPACE] = COLUMNS(namespace_columns),
	[KIND_CONFIGMAP] = COLUMNS(configmap_columns),
	[KIND_SECRET] = COLUMNS(secret_columns),
	[KIND_SERVICE] = COLUMNS(service_columns),
	[KIND_POD] = COLUMNS(pod_columns),
	[KIND_REPLICASET] = COLUMNS(replicaset_columns),
	[KIND_DEPLOYMENT] = COLUMNS(deployment_columns),
	[KIND_JOB] = COLUMNS(job_columns),
	[KIND_EVENT] = COLUMNS(event_columns),
	[KIND_IMAGE] = COLUMNS(image_columns),
	[KIND_APP] = COLUMNS(app_columns),
	[KIND_SOURCE] = COLUMNS(source_columns),
};
static const struct table local_images = COLUMNS(local_image_columns);
/* clang-format on */

const struct table *table_of(enum kind kind)
{
	assert(kind < KIND_N_ && tables[kind].n_columns > 0);
	return &tables[kind];
}

const struct table *table_of_local_images(void)
{
	return &local_images;
}
