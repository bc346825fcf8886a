/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a Source: where apps come from, what they may ask for, and whom their fate is told.
 * Written by the operator into files of the configuration, never into a source.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
static const struct schema_field policy_fields[] = {
	{ "privileged", BOOL, .doc = "Containers with all of root's power; covers capabilities, seccompUnconfined and procMountUnmasked." },
	{ "hostNetwork", BOOL, .doc = "Pods on the host's network." },
	{ "hostPath", STRINGS, KEYED("="), .format = FORMAT_ABS_PATH,
	  .doc = "Files and directories of the host that may be mounted, with all below; / for every one." },
	{ "capabilities", STRINGS, KEYED("="), .format = FORMAT_CAPABILITY,
	  .doc = "Capabilities beyond the usual ones; ALL for every one." },
	{ "seccompUnconfined", BOOL, .doc = "Containers without a filter of system calls." },
	{ "procMountUnmasked", BOOL, .doc = "Containers that see all of /proc." },
};
static SCHEMA(policy, "SourcePolicy", policy_fields);

static const struct schema_field webhook_fields[] = {
	{ "url", STRING, REQUIRED, .format = FORMAT_HTTP_URL, .doc = "Where each event is posted to." },
	{ "headers", STRING_MAP, .key_format = FORMAT_HEADER, .flags = FIELD_SECRET, .doc = "Further headers." },
	{ "secretFile", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_ABS_PATH,
	  .doc = "A file whose content signs the body: X-Recond-Signature-256, an HMAC with SHA-256." },
};
static SCHEMA(webhook, "SourceWebhook", webhook_fields);

static const struct schema_field notify_fields[] = {
	{ "command", STRINGS, .flags = FIELD_NOT_EMPTY, .doc = "A program and its arguments; gets each event on standard input." },
	{ "user", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_USER, .doc = "Who the command runs as; nobody when missing." },
	{ "webhook", OBJECT(webhook), .doc = "A server that gets each event." },
	{ "events", STRINGS, .flags = FIELD_NOT_EMPTY, KEYED("="), ONE_OF("verified", "held", "released"),
	  .doc = "Which events; all when missing." },
	{ "timeoutSeconds", INT, .min = 1, .max = 300, DEFAULT("10"), .doc = "How long one try may take." },
};
static SCHEMA(notify, "SourceNotify", notify_fields);

static const struct schema_field source_spec_fields[] = {
	{ "path", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_ABS_PATH,
	  .doc = "A folder, or a bare git repository, whose HEAD is followed then." },
	{ "repository", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_ABS_PATH,
	  .doc = "A git repository on this host, bare or not; needs branch." },
	{ "branch", STRING, .flags = FIELD_NOT_EMPTY, .format = FORMAT_BRANCH, .doc = "The branch that is followed." },
	{ "policy", OBJECT(policy), DEFAULT("{}"), .doc = "What its objects may ask for beyond a usual container." },
	{ "notify", LIST_OF(notify), .doc = "Whom to tell when an app is verified, held or released." },
};
SCHEMA(schema_source_spec, "SourceSpec", source_spec_fields);
/* clang-format on */
