/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of what says on which host a pod may run. There is one host here: the fields are
 * checked, and noted as not supported.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
static const struct schema_field node_requirement_fields[] = {
	{ "key", STRING, REQUIRED, .doc = "A label or field." },
	{ "operator", STRING, REQUIRED, ONE_OF("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"), .doc = "How it is compared." },
	{ "values", STRINGS, .doc = "With what." },
};
static SCHEMA(node_requirement, "NodeSelectorRequirement", node_requirement_fields);

static const struct schema_field node_term_fields[] = {
	{ "matchExpressions", LIST_OF(node_requirement), .doc = "Conditions on labels." },
	{ "matchFields", LIST_OF(node_requirement), .doc = "Conditions on fields." },
};
static SCHEMA(node_term, "NodeSelectorTerm", node_term_fields);

static const struct schema_field node_selector_fields[] = {
	{ "nodeSelectorTerms", LIST_OF(node_term), REQUIRED, .doc = "One of which must hold." },
};
static SCHEMA(node_selector, "NodeSelector", node_selector_fields);

static const struct schema_field preferred_node_fields[] = {
	{ "weight", INT, .flags = FIELD_REQUIRED, .min = 1, .max = 100, .doc = "How much." },
	{ "preference", OBJECT(node_term), .flags = FIELD_REQUIRED, .doc = "What." },
};
static SCHEMA(preferred_node, "PreferredSchedulingTerm", preferred_node_fields);

static const struct schema_field node_affinity_fields[] = {
	{ "requiredDuringSchedulingIgnoredDuringExecution", OBJECT(node_selector), .doc = "Must hold." },
	{ "preferredDuringSchedulingIgnoredDuringExecution", LIST_OF(preferred_node), .doc = "Should hold." },
};
static SCHEMA(node_affinity, "NodeAffinity", node_affinity_fields);

static const struct schema_field pod_term_fields[] = {
	{ "labelSelector", OBJECT(schema_label_selector), .doc = "Which pods." },
	{ "namespaces", STRINGS, .format = FORMAT_DNS_LABEL, .doc = "In which namespaces." },
	{ "namespaceSelector", OBJECT(schema_label_selector), .doc = "In which namespaces." },
	{ "topologyKey", STRING, REQUIRED, .format = FORMAT_QUALIFIED_NAME, .doc = "What counts as one place." },
	{ "matchLabelKeys", STRINGS, .doc = "Labels taken from the pod." },
	{ "mismatchLabelKeys", STRINGS, .doc = "Labels that must differ." },
};
static SCHEMA(pod_term, "PodAffinityTerm", pod_term_fields);

static const struct schema_field weighted_pod_fields[] = {
	{ "weight", INT, .flags = FIELD_REQUIRED, .min = 1, .max = 100, .doc = "How much." },
	{ "podAffinityTerm", OBJECT(pod_term), .flags = FIELD_REQUIRED, .doc = "What." },
};
static SCHEMA(weighted_pod, "WeightedPodAffinityTerm", weighted_pod_fields);

static const struct schema_field pod_affinity_fields[] = {
	{ "requiredDuringSchedulingIgnoredDuringExecution", LIST_OF(pod_term), .doc = "Must hold." },
	{ "preferredDuringSchedulingIgnoredDuringExecution", LIST_OF(weighted_pod), .doc = "Should hold." },
};
static SCHEMA(pod_affinity, "PodAffinity", pod_affinity_fields);

static const struct schema_field affinity_fields[] = {
	{ "nodeAffinity", OBJECT(node_affinity), .doc = "Which hosts." },
	{ "podAffinity", OBJECT(pod_affinity), .doc = "Near which pods." },
	{ "podAntiAffinity", OBJECT(pod_affinity), .doc = "Away from which pods." },
};
SCHEMA(schema_affinity, "Affinity", affinity_fields);

static const struct schema_field toleration_fields[] = {
	{ "key", STRING, .format = FORMAT_QUALIFIED_NAME, .doc = "The taint; all when missing." },
	{ "operator", STRING, ONE_OF("Exists", "Equal", "Lt", "Gt"), .doc = "How it is compared." },
	{ "value", STRING, .doc = "With what." },
	{ "effect", STRING, ONE_OF("", "NoSchedule", "PreferNoSchedule", "NoExecute"), .doc = "Which effect." },
	{ "tolerationSeconds", INT, .doc = "How long." },
};
SCHEMA(schema_toleration, "Toleration", toleration_fields);

static const struct schema_field spread_fields[] = {
	{ "maxSkew", INT, .flags = FIELD_REQUIRED, .min = 1, .max = INT32_MAX, .doc = "How uneven." },
	{ "topologyKey", STRING, REQUIRED, .doc = "Over what." },
	{ "whenUnsatisfiable", STRING, REQUIRED, ONE_OF("DoNotSchedule", "ScheduleAnyway"), .doc = "If it can't be." },
	{ "labelSelector", OBJECT(schema_label_selector), .doc = "Which pods." },
	{ "minDomains", INT, .min = 1, .max = INT32_MAX, .doc = "At least so many places." },
	{ "nodeAffinityPolicy", STRING, ONE_OF("Honor", "Ignore"), .doc = "Which hosts count." },
	{ "nodeTaintsPolicy", STRING, ONE_OF("Honor", "Ignore"), .doc = "Which hosts count." },
	{ "matchLabelKeys", STRINGS, .doc = "Labels taken from the pod." },
};
SCHEMA(schema_spread, "TopologySpreadConstraint", spread_fields);
/* clang-format on */
