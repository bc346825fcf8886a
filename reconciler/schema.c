/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema's top: objects' metadata, the kinds themselves, and the look-up functions. What pods
 * are made of is in schema_pod.c, schema_volume.c, schema_security.c and schema_placement.c.
 */
#include "reconciler/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/number.h"
#include "reconciler/schema_priv.h"

#define META_COMMON                                                                                \
	{"labels",                                                                                 \
	 .type = SCHEMA_MAP,                                                                       \
	 .of = SCHEMA_STRING,                                                                      \
	 .key_format = FORMAT_QUALIFIED_NAME,                                                      \
	 .format = FORMAT_LABEL_VALUE,                                                             \
	 .doc = "What selectors select by."},                                                      \
		{"annotations", .type = SCHEMA_MAP, .of = SCHEMA_STRING,                           \
		 .key_format = FORMAT_QUALIFIED_NAME,                                              \
		 .doc = "Free text for tools; 256 KiB in all."},

/* clang-format off */
static const struct schema_field meta_fields[] = {
	{ "name", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_DNS_SUBDOMAIN,
	  .doc = "Unique among the objects of its kind in a namespace." },
	{ "namespace", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_DNS_LABEL,
	  .doc = "The namespace; \"default\" when missing." },
	META_COMMON
	{ "generateName", STRING, IGNORED, .doc = "Prefix of a generated name; a source must give the name itself." },
	{ "finalizers", STRINGS, KEYED("="), UNSUPPORTED("nobody here removes them"), UNLESS("[]"),
	  .doc = "Who must agree before the object goes." },
	{ "ownerReferences", ANY, KEYED("uid"), IGNORED, .doc = "Objects whose deletion deletes this one." },
	{ "uid", STRING, IGNORED, .doc = "Given by the server." },
	{ "resourceVersion", STRING, IGNORED, .doc = "Given by the server." },
	{ "generation", INT, IGNORED, .doc = "Given by the server: counts changes of the spec." },
	{ "creationTimestamp", STRING, IGNORED, .doc = "Given by the server." },
	{ "deletionTimestamp", STRING, IGNORED, .doc = "Given by the server." },
	{ "deletionGracePeriodSeconds", INT, IGNORED, .doc = "Given by the server." },
	{ "selfLink", STRING, IGNORED, .doc = "Obsolete." },
	{ "clusterName", STRING, IGNORED, .doc = "Obsolete." },
	{ "managedFields", ANY, IGNORED, .doc = "Book-keeping of server-side apply." },
};
SCHEMA(schema_meta, "ObjectMeta", meta_fields);

static const struct schema_field template_meta_fields[] = {
	META_COMMON
	{ "name", STRING, IGNORED, .doc = "Ignored: pods of a template get generated names." },
	{ "generateName", STRING, IGNORED, .doc = "Ignored: pods of a template get generated names." },
	{ "namespace", STRING, IGNORED, .doc = "Ignored: pods live in the namespace of their owner." },
	{ "finalizers", STRINGS, KEYED("="), UNSUPPORTED("nobody here removes them"), UNLESS("[]"),
	  .doc = "Who must agree before a pod goes." },
	{ "creationTimestamp", STRING, IGNORED, .doc = "Ignored." },
	{ "ownerReferences", ANY, IGNORED, .doc = "Ignored." },
	{ "uid", STRING, IGNORED, .doc = "Ignored." },
	{ "resourceVersion", STRING, IGNORED, .doc = "Ignored." },
	{ "generation", INT, IGNORED, .doc = "Ignored." },
	{ "managedFields", ANY, IGNORED, .doc = "Ignored." },
	{ "selfLink", STRING, IGNORED, .doc = "Ignored." },
};
SCHEMA(schema_template_meta, "ObjectMeta", template_meta_fields);

static const struct schema_field requirement_fields[] = {
	{ "key", STRING, REQUIRED, .format = FORMAT_QUALIFIED_NAME, .doc = "The label." },
	{ "operator", STRING, REQUIRED, ONE_OF("In", "NotIn", "Exists", "DoesNotExist"), .doc = "How it is compared." },
	{ "values", STRINGS, .format = FORMAT_LABEL_VALUE, .doc = "For In and NotIn." },
};
static SCHEMA(requirement, "LabelSelectorRequirement", requirement_fields);

static const struct schema_field label_selector_fields[] = {
	{ "matchLabels", STRING_MAP, .key_format = FORMAT_QUALIFIED_NAME, .format = FORMAT_LABEL_VALUE,
	  .doc = "Labels that must have these values." },
	{ "matchExpressions", LIST_OF(requirement), .doc = "Further conditions, all of which must hold." },
};
SCHEMA(schema_label_selector, "LabelSelector", label_selector_fields);

static const struct schema_field namespace_spec_fields[] = {
	{ "finalizers", STRINGS, IGNORED, .doc = "Given by the server." },
};
static SCHEMA(namespace_spec, "NamespaceSpec", namespace_spec_fields);

static const struct schema_field namespace_fields[] = {
	HEAD,
	{ "spec", OBJECT(namespace_spec), .doc = "Nothing that a source may set." },
	STATUS,
};
static SCHEMA(namespace, "Namespace", namespace_fields);

static const struct schema_field configmap_fields[] = {
	HEAD,
	{ "data", STRING_MAP, .key_format = FORMAT_CONFIG_KEY, .doc = "Text by key; 1 MiB in all with binaryData." },
	{ "binaryData", STRING_MAP, .key_format = FORMAT_CONFIG_KEY, .format = FORMAT_BASE64,
	  .doc = "Bytes by key, in base64." },
	{ "immutable", BOOL, .doc = "Freezes data, binaryData and itself." },
};
static SCHEMA(configmap, "ConfigMap", configmap_fields);

static const struct schema_field secret_fields[] = {
	HEAD,
	{ "type", STRING, .flags = FIELD_IMMUTABLE, DEFAULT("\"Opaque\""), .doc = "What the keys mean." },
	{ "data", STRING_MAP, .key_format = FORMAT_CONFIG_KEY, .format = FORMAT_BASE64, .flags = FIELD_SECRET,
	  .doc = "Bytes by key, in base64; 1 MiB in all." },
	{ "stringData", STRING_MAP, .key_format = FORMAT_CONFIG_KEY, .flags = FIELD_SECRET,
	  .doc = "Text by key; becomes part of data." },
	{ "immutable", BOOL, .doc = "Freezes data and itself." },
};
static SCHEMA(secret, "Secret", secret_fields);

static const struct schema_field pod_fields[] = {
	HEAD,
	{ "spec", OBJECT(schema_pod_spec), REQUIRED, .doc = "What the pod is to be." },
	STATUS,
};
static SCHEMA(pod, "Pod", pod_fields);

static const struct schema_field template_fields[] = {
	{ "metadata", OBJECT(schema_template_meta), .doc = "Labels and annotations of the pods." },
	{ "spec", OBJECT(schema_pod_spec), REQUIRED, .doc = "What the pods are to be." },
};
SCHEMA(schema_pod_template, "PodTemplateSpec", template_fields);

static const struct schema_field replicaset_spec_fields[] = {
	{ "replicas", INT, NATURAL, DEFAULT("1"), .doc = "How many pods." },
	{ "selector", OBJECT(schema_label_selector), .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	  .doc = "Which pods are counted; must match the template's labels." },
	{ "template", OBJECT(schema_pod_template), REQUIRED, .doc = "What new pods are made from." },
	{ "minReadySeconds", INT, ZERO_IS_NONE, NATURAL, .doc = "How long a pod must be ready to count as available." },
};
static SCHEMA(replicaset_spec, "ReplicaSetSpec", replicaset_spec_fields);

static const struct schema_field replicaset_fields[] = {
	HEAD,
	{ "spec", OBJECT(replicaset_spec), REQUIRED, .doc = "How many pods of what." },
	STATUS,
};
static SCHEMA(replicaset, "ReplicaSet", replicaset_fields);

static const struct schema_field rolling_fields[] = {
	{ "maxUnavailable", INT_OR_STRING, NATURAL, .format = FORMAT_PERCENT,
	  .doc = "How many pods may be missing meanwhile, as a number or percentage (rounded down)." },
	{ "maxSurge", INT_OR_STRING, NATURAL, .format = FORMAT_PERCENT,
	  .doc = "How many pods there may be too many meanwhile, as a number or percentage (rounded up)." },
};
static SCHEMA(rolling, "RollingUpdateDeployment", rolling_fields);

static const struct schema_field strategy_fields[] = {
	{ "type", STRING, ONE_OF("RollingUpdate", "Recreate"), DEFAULT("\"RollingUpdate\""),
	  .doc = "Old and new side by side, or old away before new." },
	{ "rollingUpdate", OBJECT(rolling), .doc = "Bounds of a rolling update." },
};
static SCHEMA(strategy, "DeploymentStrategy", strategy_fields);

static const struct schema_field deployment_spec_fields[] = {
	{ "replicas", INT, NATURAL, DEFAULT("1"), .doc = "How many pods." },
	{ "selector", OBJECT(schema_label_selector), .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	  .doc = "Which pods belong to it; must match the template's labels." },
	{ "template", OBJECT(schema_pod_template), REQUIRED, .doc = "What the pods are made from; a change rolls them." },
	{ "strategy", OBJECT(strategy), DEFAULT("{}"), .doc = "How a change is rolled out." },
	{ "minReadySeconds", INT, ZERO_IS_NONE, NATURAL, .doc = "How long a pod must be ready to count as available." },
	{ "revisionHistoryLimit", INT, NATURAL, DEFAULT("10"), .doc = "How many old ReplicaSets are kept." },
	{ "paused", BOOL, ZERO_IS_NONE, .doc = "Stops rolling out until it is taken back." },
	{ "progressDeadlineSeconds", INT, NATURAL, DEFAULT("600"), UNLESS("600"),
	  UNSUPPORTED("the deadline is not enforced"), .doc = "How long a rollout may go without progress." },
};
static SCHEMA(deployment_spec, "DeploymentSpec", deployment_spec_fields);

static const struct schema_field deployment_fields[] = {
	HEAD,
	{ "spec", OBJECT(deployment_spec), REQUIRED, .doc = "How many pods of what, and how changes reach them." },
	STATUS,
};
static SCHEMA(deployment, "Deployment", deployment_fields);

static const struct schema_field service_port_fields[] = {
	{ "name", STRING, .format = FORMAT_DNS_LABEL, .doc = "Needed when there are several ports." },
	{ "protocol", STRING, ONE_OF("TCP", "UDP", "SCTP"), DEFAULT("\"TCP\""), .doc = "TCP, UDP or SCTP." },
	{ "appProtocol", STRING, .doc = "A hint for proxies." },
	{ "port", INT, .flags = FIELD_REQUIRED, PORT, .doc = "Where the service answers." },
	{ "targetPort", INT_OR_STRING, PORT, .format = FORMAT_PORT_NAME,
	  .doc = "Where the pods answer: number or name; the same as port when missing." },
	{ "nodePort", INT, ZERO_IS_NONE, .min = 0, .max = 65535, .doc = "Where the host answers." },
};
static SCHEMA(service_port, "ServicePort", service_port_fields);

static const struct schema_field client_ip_fields[] = {
	{ "timeoutSeconds", INT, .min = 1, .max = 86400, .doc = "How long a client keeps its pod." },
};
static SCHEMA(client_ip, "ClientIPConfig", client_ip_fields);

static const struct schema_field affinity_config_fields[] = {
	{ "clientIP", OBJECT(client_ip), .doc = "For sessionAffinity ClientIP." },
};
static SCHEMA(affinity_config, "SessionAffinityConfig", affinity_config_fields);

static const struct schema_field service_spec_fields[] = {
	{ "type", STRING, ONE_OF("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"), DEFAULT("\"ClusterIP\""),
	  .doc = "Who can reach it." },
	{ "selector", STRING_MAP, .key_format = FORMAT_QUALIFIED_NAME, .format = FORMAT_LABEL_VALUE,
	  .doc = "Labels of the pods behind it." },
	{ "ports", LIST_OF(service_port), KEYED("port,protocol"), .doc = "What it answers on." },
	{ "clusterIP", STRING, .doc = "Its address; None for a headless service." },
	{ "clusterIPs", STRINGS, .doc = "Its addresses by family." },
	{ "externalIPs", STRINGS, .format = FORMAT_IP, .doc = "Further addresses of the host to answer on." },
	{ "externalName", STRING, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The name an ExternalName service stands for." },
	{ "sessionAffinity", STRING, ONE_OF("None", "ClientIP"), DEFAULT("\"None\""), .doc = "Who meets which pod." },
	{ "sessionAffinityConfig", OBJECT(affinity_config), .doc = "Of session affinity." },
	{ "internalTrafficPolicy", STRING, ONE_OF("Cluster", "Local"), DEFAULT("\"Cluster\""), .doc = "One host: no difference." },
	{ "externalTrafficPolicy", STRING, ONE_OF("Cluster", "Local"), .doc = "Whether the client's address is kept." },
	{ "healthCheckNodePort", INT, NATURAL, .doc = "For load balancers." },
	{ "publishNotReadyAddresses", BOOL, ZERO_IS_NONE, .doc = "Also lead to pods that are not ready." },
	{ "ipFamilies", STRINGS, .doc = "IPv4, IPv6." },
	{ "ipFamilyPolicy", STRING, ONE_OF("SingleStack", "PreferDualStack", "RequireDualStack"), .doc = "One family or two." },
	{ "loadBalancerIP", STRING, .doc = "Deprecated." },
	{ "loadBalancerSourceRanges", STRINGS, .doc = "Who may come through the load balancer." },
	{ "loadBalancerClass", STRING, .doc = "Which load balancer." },
	{ "allocateLoadBalancerNodePorts", BOOL, .doc = "Whether a load balancer has node ports." },
	{ "trafficDistribution", STRING, .doc = "A hint where traffic should go." },
};
static SCHEMA(service_spec, "ServiceSpec", service_spec_fields);

static const struct schema_field service_fields[] = {
	HEAD,
	{ "spec", OBJECT(service_spec), REQUIRED, UNSUPPORTED("the Service is kept, but leads no traffic"),
	  .doc = "Which pods it leads to, and from where." },
	STATUS,
};
static SCHEMA(service, "Service", service_fields);

static const struct schema_field image_spec_fields[] = {
	{ "context", STRING, .format = FORMAT_CONTEXT_PATH, DEFAULT("\".\""),
	  .doc = "The directory COPY sees, relative to this file, or from the root of the source with a leading '/'." },
	{ "dockerfile", STRING, .format = FORMAT_REL_PATH, DEFAULT("\"Dockerfile\""),
	  .doc = "The Dockerfile, relative to the context." },
	{ "target", STRING, .flags = FIELD_NOT_EMPTY, .doc = "The stage to build; the last when missing." },
	{ "buildArgs", STRING_MAP, .key_format = FORMAT_ARG_NAME, .doc = "Values of the Dockerfile's ARGs." },
	{ "platform", STRING, .format = FORMAT_PLATFORM, .doc = "os/architecture; the host's when missing." },
	{ "tags", STRINGS, .flags = FIELD_NOT_EMPTY, .format = FORMAT_IMAGE_TAG,
	  .doc = "The names pods call it by, as with docker build -t; name:latest when missing." },
};
static SCHEMA(image_spec, "ImageSpec", image_spec_fields);

static const struct schema_field image_fields[] = {
	HEAD,
	{ "spec", OBJECT(image_spec), DEFAULT("{}"), .doc = "What is built from where." },
	STATUS,
};
static SCHEMA(image, "Image", image_fields);

static const struct schema_field source_fields[] = {
	HEAD,
	{ "spec", OBJECT(schema_source_spec), REQUIRED, .doc = "Where it is, what it may ask for, whom it tells." },
	STATUS,
};
static SCHEMA(source, "Source", source_fields);

static const struct schema *const schemas[KIND_N_] = {
	[KIND_NAMESPACE] = &namespace, [KIND_CONFIGMAP] = &configmap,   [KIND_SECRET] = &secret,
	[KIND_SERVICE] = &service,     [KIND_POD] = &pod,               [KIND_REPLICASET] = &replicaset,
	[KIND_DEPLOYMENT] = &deployment, [KIND_JOB] = &schema_job,      [KIND_IMAGE] = &image,
	[KIND_SOURCE] = &source,
};

const char *const schema_foreign_kinds[] = {
	"StatefulSet", "DaemonSet", "CronJob", "ControllerRevision", "ReplicationController", "PodTemplate",
	"HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "IngressClass", "NetworkPolicy", "Endpoints",
	"EndpointSlice", "PersistentVolume", "PersistentVolumeClaim", "StorageClass", "VolumeAttachment", "CSIDriver",
	"CSINode", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "LimitRange",
	"ResourceQuota", "PriorityClass", "RuntimeClass", "CustomResourceDefinition", "APIService", "Node", "Lease",
	"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy",
	"ValidatingAdmissionPolicyBinding", "CertificateSigningRequest", "Event", "Binding", "ComponentStatus",
	"IPAddress", "ServiceCIDR", "FlowSchema", "PriorityLevelConfiguration", "ResourceClaim",
	"ResourceClaimTemplate", "DeviceClass", "Kustomization", NULL,
};

static const char *const type_names[SCHEMA_TYPE_N_] = {
	[SCHEMA_STRING] = "a string",     [SCHEMA_INT] = "an integer", [SCHEMA_BOOL] = "true or false",
	[SCHEMA_QUANTITY] = "a quantity", [SCHEMA_INT_OR_STRING] = "an integer or a string",
	[SCHEMA_OBJECT] = "a mapping",    [SCHEMA_LIST] = "a list",    [SCHEMA_MAP] = "a mapping",
	[SCHEMA_ANY] = "anything",
};
/* clang-format on */

const struct schema *schema_of(enum kind kind)
{
	assert(kind >= 0 && kind < KIND_N_);
	return schemas[kind];
}

const struct schema_field *schema_field(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->fields[i].name, name))
			return &s->fields[i];
	return NULL;
}

const char *schema_nearest(const struct schema *s, const char *name)
{
	autofree const char **names = mem_calloc(s->n + 1, sizeof(*names));

	for (size_t i = 0; i < s->n; i++)
		names[i] = s->fields[i].name;
	return str_nearest(name, names);
}

const struct schema_field *schema_find(enum kind kind, const char *path)
{
	const struct schema *s = schema_of(kind);
	const struct schema_field *f = NULL;

	while (*path) {
		size_t n = strcspn(path, ".");
		autofree char *name = mem_strndup(path, n);

		f = s ? schema_field(s, name) : NULL;
		if (!f)
			return NULL;
		s = f->object;
		path += n;
		path += *path == '.';
	}
	return f;
}

const char *schema_type_name(enum schema_type type)
{
	assert(type >= 0 && type < SCHEMA_TYPE_N_);
	return type_names[type];
}

static void key_part(struct strbuf *out, const json_t *element, const char *name)
{
	const json_t *v = json_object_get(element, name);
	char number[NUMBER_TEXT_SIZE];

	if (json_is_string(v)) {
		strbuf_adds(out, json_string_value(v));
	} else if (json_is_number(v)) {
		number_format_json(number, v);
		strbuf_adds(out, number);
	} else if (str_eq(name, "protocol")) {
		strbuf_adds(out, "TCP");
	}
}

char *schema_element_key(const char *list_key, const json_t *element)
{
	autostrlist parts = {.n = 0};
	autostrbuf out = STRBUF_INIT;

	if (!list_key)
		return NULL;
	if (str_eq(list_key, "="))
		return mem_strdup(json_string_value(element));
	if (!json_is_object(element))
		return NULL;
	strlist_split(&parts, list_key, ',');
	for (size_t i = 0; i < parts.n; i++) {
		if (i)
			strbuf_addc(&out, '/');
		key_part(&out, element, parts.items[i]);
	}
	if (out.len < parts.n)
		return NULL;
	return strbuf_take(&out);
}
