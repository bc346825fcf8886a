/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy of a source: what a pod asks for beyond a usual container is an error unless the
 * operator allowed it, wherever in a manifest it stands.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "reconciler/manifest.h"
#include "runtime/spec.h"

#define POD                                                                                        \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: c, image: i}]\n"
#define POD_WITH(container)                                                                           \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: c, image: " \
	"i, securityContext: {" container "}}\n"
#define TEMPLATE(kind)                                                                             \
	"apiVersion: apps/v1\nkind: " kind                                                         \
	"\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: "                                 \
	"{a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec: {hostNetwork: true, "     \
	"containers: [{name: c, image: i}]}\n"
#define VOLUME(path) POD "  volumes: [{name: v, hostPath: {path: " path "}}]\n"

/* Errors of TEXT under ALLOW (JSON text, or NULL for no policy at all), one a line. */
static char *errors_of(const char *text, const char *allow, const char *config)
{
	autojson *policy = allow ? json_pack("{s:s, s:o}", "source", "shop", "allow",
					     json_loads(allow, 0, NULL))
				 : NULL;
	const struct manifest_file file = {
		.path = "a/x.yaml", .content = text, .len = strlen(text)};
	const struct manifest_app app = {.name = "a", .files = &file, .n_files = 1};
	const struct manifest_input input = {.apps = &app, .n_apps = 1, .policy = policy};
	autojson *result = NULL;
	struct strbuf out = STRBUF_INIT;
	const json_t *line;
	size_t i;

	if (config)
		json_set(policy, "file", json_text(config));
	result = manifest_decode(&input);
	json_array_foreach(json_path(result, "apps.[0].errors"), i, line) {
		strbuf_addf(&out, "%s\n", json_string_value(line));
	}
	return strbuf_take(&out);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *allow;   /* that is enough */
	const char *setting; /* as the error names it; NULL: never an error */
	const char *place;   /* line:column: and the path */
} cases[] = {
	{ "an ordinary pod asks for nothing", POD, "{}", NULL, NULL },
	{ "the host's network", POD "  hostNetwork: true\n", "{\"hostNetwork\": true}", "'hostNetwork: true'",
	  "6:16: Pod/a: spec.hostNetwork" },
	{ "declining the host's network", POD "  hostNetwork: false\n", "{}", NULL, NULL },
	{ "in a Deployment", TEMPLATE("Deployment"), "{\"hostNetwork\": true}", "'hostNetwork: true'",
	  "8:25: Deployment/a: spec.template.spec.hostNetwork" },
	{ "in a ReplicaSet", TEMPLATE("ReplicaSet"), "{\"hostNetwork\": true}", "'hostNetwork: true'",
	  "8:25: ReplicaSet/a: spec.template.spec.hostNetwork" },
	{ "a privileged container", POD_WITH("privileged: true"), "{\"privileged\": true}", "'privileged: true'",
	  "Pod/a: spec.containers[0].securityContext.privileged" },
	{ "a container that says it is not", POD_WITH("privileged: false"), "{}", NULL, NULL },
	{ "a capability", POD_WITH("capabilities: {add: [NET_ADMIN]}"), "{\"capabilities\": [\"NET_ADMIN\"]}",
	  "'capabilities: [NET_ADMIN]'", "Pod/a: spec.containers[0].securityContext.capabilities.add[0]" },
	{ "all capabilities", POD_WITH("capabilities: {add: [ALL]}"), "{\"capabilities\": [\"ALL\"]}",
	  "'capabilities: [ALL]'", "capabilities.add[0]" },
	{ "ALL in the policy is any of them", POD_WITH("capabilities: {add: [SYS_ADMIN]}"), "{\"capabilities\": [\"ALL\"]}",
	  "'capabilities: [SYS_ADMIN]'", "capabilities.add[0]" },
	{ "privileged covers capabilities", POD_WITH("capabilities: {add: [SYS_ADMIN]}"), "{\"privileged\": true}",
	  "'capabilities: [SYS_ADMIN]'", "capabilities.add[0]" },
	{ "a usual capability", POD_WITH("capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}"), "{}", NULL, NULL },
	{ "no filter of system calls", POD_WITH("seccompProfile: {type: Unconfined}"), "{\"seccompUnconfined\": true}",
	  "'seccompUnconfined: true'", "Pod/a: spec.containers[0].securityContext.seccompProfile" },
	{ "no filter for the whole pod", POD "  securityContext: {seccompProfile: {type: Unconfined}}\n",
	  "{\"seccompUnconfined\": true}", "'seccompUnconfined: true'", "6:37: Pod/a: spec.securityContext.seccompProfile" },
	{ "the usual filter", POD_WITH("seccompProfile: {type: RuntimeDefault}"), "{}", NULL, NULL },
	{ "all of /proc", POD_WITH("procMount: Unmasked"), "{\"procMountUnmasked\": true}", "'procMountUnmasked: true'",
	  "Pod/a: spec.containers[0].securityContext.procMount" },
	{ "a directory of the host", VOLUME("/srv/data"), "{\"hostPath\": [\"/srv/data\"]}", "'hostPath: [/srv/data]'",
	  "6:40: Pod/a: spec.volumes[0].hostPath.path" },
	{ "below an allowed directory", VOLUME("/srv/data/a/b"), "{\"hostPath\": [\"/opt\", \"/srv/data/\"]}",
	  "'hostPath: [/srv/data/a/b]'", "spec.volumes[0].hostPath.path" },
	{ "everything of the host", VOLUME("/etc"), "{\"hostPath\": [\"/\"]}", "'hostPath: [/etc]'", "hostPath.path" },
	{ "slashes do not count", VOLUME("//srv//data"), "{\"hostPath\": [\"/srv/data\"]}", "'hostPath: [//srv//data]'",
	  "hostPath.path" },
};
/* clang-format on */

Test(policy, what_is_not_allowed_is_an_error_that_names_the_setting)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *denied = errors_of(cases[i].text, "{}", NULL);
		autofree char *unknown = errors_of(cases[i].text, NULL, NULL);
		autofree char *allowed = errors_of(cases[i].text, cases[i].allow, NULL);

		cr_expect_str_eq(allowed, "", "%s: %s", cases[i].sentence, allowed);
		if (!cases[i].setting) {
			cr_expect_str_eq(denied, "", "%s: %s", cases[i].sentence, denied);
			continue;
		}
		cr_expect(strstr(denied, cases[i].setting), "%s: %s", cases[i].sentence, denied);
		cr_expect(strstr(denied, cases[i].place), "%s: %s", cases[i].sentence, denied);
		cr_expect(strstr(unknown, cases[i].setting), "%s: %s", cases[i].sentence, unknown);
	}
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *allow;
} still[] = {
	{ "a neighbour of an allowed directory", VOLUME("/srv/database"), "{\"hostPath\": [\"/srv/data\"]}" },
	{ "the parent of an allowed directory", VOLUME("/srv"), "{\"hostPath\": [\"/srv/data\"]}" },
	{ "a way out of an allowed directory", VOLUME("/srv/data/../../etc"), "{\"hostPath\": [\"/srv/data\"]}" },
	{ "a way out of everything", VOLUME("/srv/../etc"), "{\"hostPath\": [\"/\"]}" },
	{ "privileged does not open the host's network", POD "  hostNetwork: true\n", "{\"privileged\": true}" },
	{ "privileged does not open the host's files", VOLUME("/etc"), "{\"privileged\": true}" },
	{ "another capability", POD_WITH("capabilities: {add: [SYS_PTRACE]}"), "{\"capabilities\": [\"NET_ADMIN\"]}" },
	{ "all capabilities but one", POD_WITH("capabilities: {add: [ALL]}"), "{\"capabilities\": [\"NET_ADMIN\"]}" },
	{ "a policy that denies in so many words", POD "  hostNetwork: true\n", "{\"hostNetwork\": false}" },
};
/* clang-format on */

Test(policy, what_is_near_to_allowed_is_not)
{
	for (size_t i = 0; i < ARRAY_SIZE(still); i++) {
		autofree char *got = errors_of(still[i].text, still[i].allow, NULL);

		cr_expect_str_neq(got, "", "%s", still[i].sentence);
	}
}

Test(policy, the_error_names_where_the_setting_goes)
{
	autofree char *file =
		errors_of(POD "  hostNetwork: true\n", "{}", "/etc/recond/sources.d/shop.yaml");
	autofree char *path = errors_of(POD "  hostNetwork: true\n", "{}", NULL);

	cr_expect_str_eq(
		file,
		"a/x.yaml:6:16: Pod/a: spec.hostNetwork: the policy of source 'shop' does not allow it: "
		"'hostNetwork: true' in spec.policy of /etc/recond/sources.d/shop.yaml would\n");
	cr_expect_str_eq(
		path,
		"a/x.yaml:6:16: Pod/a: spec.hostNetwork: the policy of its source does not allow it: "
		"'hostNetwork: true' in spec.policy of a Source for 'shop' would (see recond-source(5))\n");
}

/* The names here and the bits there are one set. */
Test(policy, usual_capabilities_are_those_a_container_has)
{
	/* clang-format off */
	static const char *const names[] = {
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *text = mem_asprintf(POD_WITH("capabilities: {add: [%s]}"), names[i]);
		autofree char *got = errors_of(text, "{}", NULL);
		bool usual = spec_cap_parse(names[i]) & SPEC_CAPS_DEFAULT;

		cr_expect_eq(spec_cap_parse(names[i]), SPEC_CAP(i), "%s", names[i]);
		cr_expect_eq(*got == '\0', usual, "%s: %s", names[i], got);
	}
}
