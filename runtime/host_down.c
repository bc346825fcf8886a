/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last job of an instance's worker: what is on the host and belongs to no pod. Every step looks
 * at what is there and is repeated without harm.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/pod_worker_priv.h"

#define KILL_MS 10000
#define MOUNTINFO_MAX (64u << 20)

static int read_mountinfo(char **ret, struct err *err)
{
	autoclose int fd = fs_open("/proc/self/mountinfo", O_RDONLY, 0);
	size_t n;
	int r = fd < 0 ? fd : fs_read_fd(ret, &n, fd, MOUNTINFO_MAX);

	return r < 0 ? err_errno(err, r, "read /proc/self/mountinfo") : 0;
}

/* The mount point of a line of mountinfo when it is strictly below DIR; owned by the caller. */
static char *mount_below(const char *line, const char *dir)
{
	autostrlist fields = {0};
	const char *rest;

	strlist_split(&fields, line, ' ');
	if (fields.n < 5)
		return NULL;
	rest = str_skip_prefix(fields.items[4], dir);
	return rest && *rest == '/' ? mem_strdup(fields.items[4]) : NULL;
}

/*
 * Take away every mount below DIR, the newest first. Names of ours need none of mountinfo's
 * escapes; one that has some stays, and is said by what cannot be removed later.
 */
static int unmount_below(const char *dir, struct err *err)
{
	autofree char *text = NULL;
	autostrlist lines = {0};
	int r = read_mountinfo(&text, err);

	if (r < 0)
		return r;
	strlist_split(&lines, text, '\n');
	for (size_t i = lines.n; i > 0; i--) {
		autofree char *path = mount_below(lines.items[i - 1], dir);

		if (path && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
			return err_errno(err, errno, "unmount '%s'", path);
	}
	return 0;
}

static int unmount_all(struct pod_job *job, struct err *err)
{
	autofree char *pods = mem_asprintf("%s/pods", job->state_dir);
	autofree char *builds = mem_asprintf("%s/build", job->state_dir);
	int r = unmount_below(job->run_dir, err);

	if (r == 0)
		r = unmount_below(pods, err);
	return r < 0 ? r : unmount_below(builds, err);
}

static int remove_bridges(struct pod_job *job, json_t *kept, struct err *err)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(job->doc, "bridges"), i, name) {
		struct net_bridge b = {.cidr = job->bridge.cidr};
		struct err why = {0};
		int r;

		(void)snprintf(b.name, sizeof(b.name), "%s", json_string_value(name));
		if (!net_name_valid(b.name))
			continue;
		r = net_masquerade_down(&b, err);
		if (r < 0)
			return r;
		r = net_bridge_retire(&b, &why);
		if (r < 0) {
			*err = why;
			return r;
		}
		if (r > 0)
			(void)json_array_append_new(kept, json_text(why.message));
	}
	return 0;
}

/* The pods' cgroups, and what they were made below when nothing else is there. */
static int remove_cgroups(struct pod_job *job, struct err *err)
{
	const char *root = json_path_str(job->doc, "cgroupRoot", "");
	autofree char *parent = NULL;
	int r;

	if (root[0] != '/' || root[1] == '\0' || strstr(root, ".."))
		return err_invalid(err, "malformed job");
	r = cgroup_remove(&job->cgroups, root, err);
	if (r < 0)
		return r;
	parent = mem_strndup(root, (size_t)(strrchr(root, '/') - root));
	if (*parent)
		cgroup_remove_empty(&job->cgroups, parent);
	return 0;
}

int pod_verb_host_down(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	autojson *kept = json_array();
	int r = cgroup_kill(&job->cgroups, json_path_str(job->doc, "cgroupRoot", "/recond/none"),
			    KILL_MS, err);

	if (r == 0)
		r = unmount_all(job, err);
	if (r == 0)
		r = remove_bridges(job, kept, err);
	if (r == 0)
		r = remove_cgroups(job, err);
	if (r == 0)
		*ret_reply = json_pack("{s:O}", "kept", kept);
	return r;
}
