/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: golden documents per kind of container, and the parts that tables show better. */
#include "runtime/spec.h"

#include <criterion/criterion.h>

#include "base/json.h"
#include "runtime/seccomp_profile.h"
#include "tests/unit/reconciler/golden.h"

static void fill(struct spec *s)
{
	spec_init(s);
	s->root = mem_strdup("/run/recond/pods/u/c/x/rootfs");
	s->cgroup_path = mem_strdup("/recond/burstable/podu/x");
	strlist_add(&s->args, "/bin/sh");
	strlist_add(&s->args, "-c");
	strlist_add(&s->args, "exec web --port \"80\"\n");
	strlist_add(&s->env, "PATH=/bin");
	s->host = (struct spec_host){
		.nofile_max = 20000,
		.nproc_max = 96365,
		.oom_score_adj_min = -100,
		.can_limit_swap = true,
	};
}

static void make_plain(struct spec *s)
{
	s->ns[SPEC_NS_NET].path = mem_strdup("/run/recond/pods/u/ns/net");
	s->ns[SPEC_NS_IPC].path = mem_strdup("/run/recond/pods/u/ns/ipc");
	s->ns[SPEC_NS_UTS].path = mem_strdup("/run/recond/pods/u/ns/uts");
	s->uid = 1000;
	s->gid = 1000;
	s->groups = mem_calloc(2, sizeof(gid_t));
	s->groups[0] = 2000;
	s->groups[1] = 3000;
	s->n_groups = 2;
	s->oom_score_adj = -997;
	s->resources = (struct spec_resources){
		.cpu_shares = 102, .cpu_quota_us = 20000, .memory_bytes = 64 << 20, .pids = 2048};
	(void)spec_add_mount(s, "/run/recond/pods/u/hosts", "/etc/hosts");
	spec_add_mount(s, "/run/recond/pods/u/volumes/v", "/data")->read_only = true;
}

static void make_read_only_v2(struct spec *s)
{
	s->root_read_only = true;
	s->host.cgroup_v2 = true;
	s->host.masked_cpus = 2;
	s->resources.memory_bytes = 1 << 20;
	s->caps = 0;
}

static void make_privileged(struct spec *s)
{
	s->privileged = true;
	s->ns[SPEC_NS_NET].host = true;
	s->ns[SPEC_NS_UTS].host = true;
	s->oom_score_adj = 500;
	GROW(s->devices, s->cap_devices, 1);
	s->devices[s->n_devices++] = (struct spec_device){
		.path = mem_strdup("/dev/sda"), .type = 'b', .major = 8, .mode = 0660, .gid = 6};
}

static void make_build_step(struct spec *s)
{
	s->caps = SPEC_CAPS_BUILD;
	s->resources.pids = 8192;
	s->hostname = mem_strdup("build");
	spec_add_mount(s, NULL, "/run/secrets")->no_exec = true;
}

/* The profile has golden text of its own: the others only say whether there is one. */
static void shorten_seccomp(json_t *doc)
{
	if (json_path(doc, "linux.seccomp"))
		json_path_set_new(doc, "linux.seccomp", json_text("the default profile"));
}

Test(spec, golden_documents)
{
	static const struct {
		const char *name;
		void (*make)(struct spec *s);
		const char *golden;
	} cases[] = {
		{"a container of a pod, with limits and mounts", make_plain, "spec/plain.json"},
		{"read-only root without capabilities on cgroup v2", make_read_only_v2,
		 "spec/read-only-v2.json"},
		{"privileged in the host's network", make_privileged, "spec/privileged.json"},
		{"a RUN step of a build", make_build_step, "spec/build-step.json"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *doc = NULL;
		autofree char *text = NULL;
		struct err err = {0};
		struct spec s;

		fill(&s);
		cases[i].make(&s);
		cr_assert_eq(spec_build(&doc, &s, &err), 0, "%s: %s", cases[i].name, err.message);
		shorten_seccomp(doc);
		text = json_pretty(doc);
		golden_check(cases[i].golden, text);
		spec_deinit(&s);
	}
}

Test(spec, golden_seccomp_profile)
{
	autojson *profile = seccomp_profile_build(SPEC_CAPS_DEFAULT);
	autofree char *text = json_pretty(profile);

	golden_check("spec/seccomp.json", text);
}

/* The action for a call that has one rule without arguments; NULL when it has none. */
static const char *action_of(const json_t *profile, const char *name)
{
	const json_t *rule, *n;
	size_t i, k;

	json_array_foreach(json_object_get(profile, "syscalls"), i, rule) {
		json_array_foreach(json_object_get(rule, "names"), k, n) {
			if (str_eq(json_string_value(n), name) && !json_object_get(rule, "args"))
				return json_path_str(rule, "action", "");
		}
	}
	return NULL;
}

Test(spec, seccomp_follows_capabilities)
{
	static const struct {
		const char *name, *call;
		uint64_t caps;
		const char *want;
	} cases[] = {
		{"mount is refused by default", "mount", SPEC_CAPS_DEFAULT, "SCMP_ACT_ERRNO"},
		{"mount comes with SYS_ADMIN", "mount", SPEC_CAP(21), "SCMP_ACT_ALLOW"},
		{"io_uring is refused even with SYS_ADMIN", "io_uring_setup", SPEC_CAPS_ALL,
		 "SCMP_ACT_ERRNO"},
		{"chroot needs SYS_CHROOT", "chroot", SPEC_CAPS_DEFAULT, "SCMP_ACT_ERRNO"},
		{"chroot in a build", "chroot", SPEC_CAPS_BUILD, "SCMP_ACT_ALLOW"},
		{"clone3 is always unknown", "clone3", SPEC_CAPS_ALL, "SCMP_ACT_ERRNO"},
		{"a plain call", "read", 0, "SCMP_ACT_ALLOW"},
		{"keyctl is never allowed", "keyctl", SPEC_CAPS_ALL, "SCMP_ACT_ERRNO"},
		{"a call nobody listed falls to the default", "afs_syscall", SPEC_CAPS_ALL, NULL},
		{"socket has no rule without arguments", "socket", SPEC_CAPS_ALL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *profile = seccomp_profile_build(cases[i].caps);
		const char *got = action_of(profile, cases[i].call);

		cr_expect(str_eq(got, cases[i].want), "%s: got %s", cases[i].name,
			  got ? got : "nothing");
	}
}

Test(spec, what_cannot_be_built_is_refused)
{
	struct err err = {0};
	json_t *doc = NULL;
	struct spec s;

	fill(&s);
	strlist_deinit(&s.args);
	cr_expect_eq(spec_build(&doc, &s, &err), -EINVAL);
	cr_expect_str_eq(err.message, "no command specified");
	strlist_add(&s.args, "/x");
	free(s.cwd);
	s.cwd = mem_strdup("relative");
	cr_expect_eq(spec_build(&doc, &s, &err), -EINVAL);
	free(s.cwd);
	s.cwd = mem_strdup("/");
	(void)spec_add_mount(&s, "/x", "y");
	cr_expect_eq(spec_build(&doc, &s, &err), -EINVAL);
	cr_expect_null(doc);
	spec_deinit(&s);
}

static size_t count_caps(const json_t *doc)
{
	return json_array_size(json_path(doc, "process.capabilities.bounding"));
}

Test(spec, capabilities_that_the_daemon_lacks)
{
	autojson *privileged = NULL, *all = NULL, *plain = NULL, *refused = NULL;
	struct err err = {0};
	struct spec s;

	fill(&s);
	s.host.caps_missing = SPEC_CAP(25) | SPEC_CAP(16);
	cr_expect_eq(spec_build(&plain, &s, &err), 0, "none that it needs: %s", err.message);
	s.privileged = true;
	cr_expect_eq(spec_build(&privileged, &s, &err), 0, "%s", err.message);
	cr_expect_eq(count_caps(privileged), 39, "privileged: got %zu", count_caps(privileged));
	s.privileged = false;
	s.caps = SPEC_CAPS_ALL;
	cr_expect_eq(spec_build(&all, &s, &err), 0, "%s", err.message);
	cr_expect_eq(count_caps(all), 39, "all: got %zu", count_caps(all));
	s.caps = SPEC_CAPS_DEFAULT | SPEC_CAP(25);
	cr_expect_eq(spec_build(&refused, &s, &err), -EINVAL);
	cr_expect(strstr(err.message, "capability SYS_TIME is not to be had"), "%s", err.message);
	spec_deinit(&s);
}

Test(spec, capability_names)
{
	cr_expect_eq(spec_cap_parse("CHOWN"), SPEC_CAP(0));
	cr_expect_eq(spec_cap_parse("CAP_SYS_ADMIN"), SPEC_CAP(21));
	cr_expect_eq(spec_cap_parse("CHECKPOINT_RESTORE"), SPEC_CAP(40));
	cr_expect_eq(spec_cap_parse("ALL"), SPEC_CAPS_ALL);
	cr_expect_eq(spec_cap_parse("chown"), 0);
	cr_expect_eq(spec_cap_parse(""), 0);
}
