/* SPDX-License-Identifier: Apache-2.0 */
/* Which hierarchies a host has, from the text of mountinfo; weights. */
#include "runtime/cgroup.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#define V1(name, id)                                                                               \
#id " 20 0:" #id " / /sys/fs/cgroup/" name " rw,relatime - cgroup cgroup rw," name "\n"
#define NOISE "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"

Test(cgroup, layouts)
{
	static const struct {
		const char *name, *mountinfo, *v2_controllers;
		enum cgroup_layout want;
		size_t n;
		const char *oom_file; /* of "/p" */
	} cases[] = {
		{"nothing", NOISE, "", CGROUP_NONE, 0, NULL},
		{"pure v2", NOISE "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		 "cpuset cpu io memory pids\n", CGROUP_V2, 1, "/sys/fs/cgroup/p/memory.events"},
		{"v1", V1("cpu,cpuacct", 31) V1("memory", 32) V1("pids", 33), "", CGROUP_V1, 3,
		 "/sys/fs/cgroup/memory/p/memory.oom_control"},
		{"hybrid",
		 V1("memory", 32) "34 20 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
		 "hugetlb\n", CGROUP_HYBRID, 2, "/sys/fs/cgroup/memory/p/memory.oom_control"},
		{"tags before the dash",
		 "40 20 0:40 / /sys/fs/cgroup/memory rw shared:9 master:3 - cgroup c rw,memory\n",
		 "", CGROUP_V1, 1, "/sys/fs/cgroup/memory/p/memory.oom_control"},
		{"a hierarchy mounted twice counts once", V1("memory", 32) V1("memory", 35), "",
		 CGROUP_V1, 1, "/sys/fs/cgroup/memory/p/memory.oom_control"},
		{"cut lines", "1 2\n\n - \n3 4 5 6 7 - cgroup\n", "", CGROUP_NONE, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *oom = NULL;
		struct cgroup_host host;

		cgroup_host_parse(&host, cases[i].mountinfo, cases[i].v2_controllers);
		oom = cgroup_oom_file(&host, "/p");
		cr_expect_eq(host.layout, cases[i].want, "%s: %s", cases[i].name,
			     cgroup_layout_name(host.layout));
		cr_expect_eq(host.n, cases[i].n, "%s: %zu", cases[i].name, host.n);
		cr_expect(str_eq(oom, cases[i].oom_file), "%s: %s", cases[i].name, oom);
	}
}

Test(cgroup, entering_needs_a_hierarchy_that_tells_processes_apart)
{
	char dir[] = "/tmp/recond-cgroup.XXXXXX";
	struct cgroup_host host = {.layout = CGROUP_V1, .n = 3};
	struct err err = {0};
	autofree char *wrong = NULL, *right = NULL;

	cr_assert(mkdtemp(dir));
	(void)snprintf(host.hierarchies[0].mount, sizeof(host.hierarchies[0].mount), "%s", dir);
	(void)snprintf(host.hierarchies[0].controllers, sizeof(host.hierarchies[0].controllers),
		       ",rw,memory,");
	host.hierarchies[1] = host.hierarchies[0];
	(void)snprintf(host.hierarchies[1].controllers, sizeof(host.hierarchies[1].controllers),
		       ",rw,name=systemdx,");
	host.hierarchies[2] = host.hierarchies[0];
	(void)snprintf(host.hierarchies[2].mount, sizeof(host.hierarchies[2].mount), "%s/sd", dir);
	(void)snprintf(host.hierarchies[2].controllers, sizeof(host.hierarchies[2].controllers),
		       ",rw,xattr,name=systemd,");
	wrong = mem_asprintf("%s/a", dir);
	right = mem_asprintf("%s/sd/a", dir);

	host.n = 2;
	cr_expect_eq(cgroup_enter(&host, "/a/monitors", &err), 0, "%s", err.message);
	cr_expect_neq(access(wrong, F_OK), 0, "neither of these is one");
	host.n = 3;
	cr_expect_lt(cgroup_enter(&host, "/a/monitors", &err), 0, "not mounted");
	cr_expect(strstr(err.message, "/sd/a/monitors"), "%s", err.message);
	*strrchr(right, '/') = '\0';
	cr_assert_eq(mkdir(right, 0700), 0);
	/* No kernel here to make cgroup.procs, but the directory is there. */
	cr_expect_lt(cgroup_enter(&host, "/a/monitors", &err), 0);
	right[strlen(right)] = '/';
	cr_expect_eq(access(right, F_OK), 0, "%s", right);
	cr_assert_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

Test(cgroup, the_group_of_a_service)
{
	static const struct {
		const char *sentence, *text, *want;
	} cases[] = {
		{"pure v2", "0::/recond.slice/recond-pods.service\n",
		 "/recond.slice/recond-pods.service"},
		{"hybrid", "5:memory:/x\n1:name=systemd:/a/b.service\n0::/a/b.service\n",
		 "/a/b.service"},
		{"v1 with an unused v2", "5:memory:/x\n1:name=systemd:/a/b.service\n0::/\n",
		 "/a/b.service"},
		{"v1", "5:memory:/x\n1:name=systemd:/a/b.service\n", "/a/b.service"},
		{"a path with colons", "0::/a/b:c.service\n", "/a/b:c.service"},
		{"in none", "5:memory:/x\n1:name=systemd:/\n0::/\n", "/"},
		{"nothing", "", "/"},
		{"cut lines", "0\n1:\n0::\n:::\n", "/"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = cgroup_of_service(cases[i].text);

		cr_expect_str_eq(got, cases[i].want, "%s: got %s", cases[i].sentence, got);
	}
}

Test(cgroup, more_hierarchies_than_there_is_room_for)
{
	autostrlist lines = {0};
	autofree char *text = mem_strdup("");
	struct cgroup_host host;

	for (int i = 0; i < 40; i++) {
		char *longer =
			mem_asprintf("%s%d 1 0:1 / /c/%d rw - cgroup c rw,x%d\n", text, i, i, i);

		free(text);
		text = longer;
	}
	cgroup_host_parse(&host, text, "");
	cr_expect_eq(host.n, CGROUP_MAX_HIERARCHIES);
}

Test(cgroup, weights_are_those_of_crun_and_runc)
{
	static const uint64_t cases[][2] = {{0, 1},      {2, 1},      {102, 17},
					    {256, 35},   {512, 59},   {1024, 100},
					    {2048, 174}, {4096, 303}, {262144, 10000}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(cgroup_weight(cases[i][0]), cases[i][1], "%lu: %lu", cases[i][0],
			     cgroup_weight(cases[i][0]));
}
