/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of Jobs.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
static const struct schema_field exit_codes_fields[] = {
	{ "containerName", STRING, .format = FORMAT_DNS_LABEL, .doc = "Which container; any when missing." },
	{ "operator", STRING, REQUIRED, ONE_OF("In", "NotIn"), .doc = "Whether the code is one of values." },
	{ "values", INTS, REQUIRED, .doc = "Exit codes; 0 is none that In can ask for." },
};
static SCHEMA(exit_codes, "PodFailurePolicyOnExitCodesRequirement", exit_codes_fields);

static const struct schema_field pod_condition_fields[] = {
	{ "type", STRING, REQUIRED, .format = FORMAT_QUALIFIED_NAME, .doc = "The condition, such as DisruptionTarget." },
	{ "status", STRING, ONE_OF("True", "False", "Unknown"), DEFAULT("\"True\""), .doc = "What it must be." },
};
static SCHEMA(pod_condition, "PodFailurePolicyOnPodConditionsPattern", pod_condition_fields);

static const struct schema_field rule_fields[] = {
	{ "action", STRING, REQUIRED, ONE_OF("FailJob", "FailIndex", "Ignore", "Count"),
	  .doc = "Fail the Job at once, do not count the failure, or count it." },
	{ "onExitCodes", OBJECT(exit_codes), .doc = "Applies when a container ended like this." },
	{ "onPodConditions", LIST_OF(pod_condition), .doc = "Applies when the pod has one of these conditions." },
};
static SCHEMA(rule, "PodFailurePolicyRule", rule_fields);

static const struct schema_field policy_fields[] = {
	{ "rules", LIST_OF(rule), REQUIRED, .doc = "The first that applies to a failed pod counts." },
};
static SCHEMA(policy, "PodFailurePolicy", policy_fields);

static const struct schema_field job_spec_fields[] = {
	{ "parallelism", INT, NATURAL, .doc = "How many pods at once; 1 when missing." },
	{ "completions", INT, NATURAL, .flags = FIELD_IMMUTABLE,
	  .doc = "How many pods must succeed; when missing with parallelism given, one that succeeds ends the work." },
	{ "completionMode", STRING, ONE_OF("NonIndexed", "Indexed"), DEFAULT("\"NonIndexed\""), .flags = FIELD_IMMUTABLE,
	  .doc = "Whether each completion has a number of its own." },
	{ "backoffLimit", INT, NATURAL, DEFAULT("6"), .doc = "How many failures are borne." },
	{ "activeDeadlineSeconds", INT, NATURAL, .doc = "How long it may take in all." },
	{ "suspend", BOOL, DEFAULT("false"), .doc = "Stops it, and its pods, until it is taken back." },
	{ "ttlSecondsAfterFinished", INT, NATURAL, .doc = "When it is deleted after its end; never when missing." },
	{ "podFailurePolicy", OBJECT(policy), .flags = FIELD_IMMUTABLE, .doc = "Which failures count." },
	{ "podReplacementPolicy", STRING, ONE_OF("TerminatingOrFailed", "Failed"),
	  .doc = "Whether a pod on its way out is replaced before it ended." },
	{ "selector", OBJECT(schema_label_selector), .flags = FIELD_IMMUTABLE,
	  .doc = "Given by the server unless manualSelector is set." },
	{ "manualSelector", BOOL, DEFAULT("false"), .doc = "The selector and its labels are the manifest's." },
	{ "template", OBJECT(schema_pod_template), .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	  .doc = "What the pods are made from; a change makes a new Job." },
	{ "backoffLimitPerIndex", INT, NATURAL, REFUSED("failures are counted for the Job as a whole"),
	  .doc = "How many failures of each index are borne." },
	{ "maxFailedIndexes", INT, NATURAL, REFUSED("failures are counted for the Job as a whole"),
	  .doc = "How many indexes may fail." },
	{ "successPolicy", ANY, REFUSED("all completions have to succeed"), .doc = "Which indexes are enough." },
	{ "managedBy", STRING, UNLESS("\"kubernetes.io/job-controller\""), REFUSED("no other controller is here"),
	  .doc = "Who runs the Job." },
};
static SCHEMA(job_spec, "JobSpec", job_spec_fields);

static const struct schema_field job_fields[] = {
	HEAD,
	{ "spec", OBJECT(job_spec), REQUIRED, .doc = "What is to be run to its end, and how often." },
	STATUS,
};
SCHEMA(schema_job, "Job", job_fields);
/* clang-format on */
