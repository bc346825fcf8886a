/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a restart: the run directory says what there should be; pod_look() finds out what became of
 * it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/pod_priv.h"

#define RECORD_MAX 65536

static json_t *read_json(int dirfd, const char *name)
{
	autofree char *text = NULL;
	json_t *j = NULL;
	size_t n;

	if (fs_read_at(&text, &n, dirfd, name, RECORD_MAX) < 0 ||
	    json_parse(&j, text, n, RECORD_MAX, NULL) < 0)
		return NULL;
	return j;
}

/* The names in the directory NAME of DIRFD; none when it is missing. */
static int list_names(struct strlist *ret, int dirfd, const char *name)
{
	autoclose int fd = fs_open_at(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *e;
	DIR *d;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	fd = -1; /* the stream owns it */
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			strlist_add(ret, e->d_name);
	(void)closedir(d);
	strlist_sort(ret);
	return 0;
}

/* One whose intent cannot be read never got to a worker, or is not ours, or was being removed. */
static void remove_container(struct pod *pod, const char *id)
{
	pod_task_add(pod->rt, POD_VERB_CONTAINER_KILL, pod, NULL,
		     json_pack("{s:s, s:b}", "id", id, "keepRecords", 0));
}

static void recover_container(struct pod *pod, int pod_fd, const char *id)
{
	autofree char *dir = mem_asprintf("c/%s", id);
	autoclose int fd = fs_open_at(pod_fd, dir, O_RDONLY | O_DIRECTORY, 0);
	autojson *intent = fd < 0 ? NULL : read_json(fd, "container.json");
	const char *name = json_path_str(intent, "name", "");
	struct pod_container *c;

	if (!pod_name_valid(name) ||
	    faccessat(fd, POD_DOOMED_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (strlen(id) == POD_CONTAINER_ID_SIZE - 1)
			remove_container(pod, id);
		return;
	}
	c = pod_container_add(pod, name, (unsigned int)json_path_int(intent, "attempt", 0));
	if (!str_eq(c->id, id)) {
		pod_container_drop(c);
		return;
	}
	c->state = CONTAINER_STARTING;
	c->fallback_to_logs = json_path_bool(intent, "fallbackToLogs", false);
	pod->report_containers = true;
}

static int recover_pod(struct pod_runtime *rt, const char *uid, struct err *err)
{
	autofree char *dir = mem_asprintf("pods/%s", uid);
	autoclose int fd = fs_open_at(rt->run_fd, dir, O_RDONLY | O_DIRECTORY, 0);
	autojson *intent = fd < 0 ? NULL : read_json(fd, "sandbox.json");
	autostrlist ids = {0};
	struct pod *pod;
	int r;

	if (!pod_uid_valid(uid))
		return 0;
	if (!intent)
		return pod_down(rt, uid, err);
	pod = pod_add(rt, uid);
	pod->ns = mem_strdup(json_path_str(intent, "namespace", ""));
	pod->name = mem_strdup(json_path_str(intent, "name", ""));
	pod->qos = mem_strdup(json_path_str(intent, "qos", "BestEffort"));
	if (cidr_parse_address(&pod->ip, json_path_str(intent, "ip", "")) < 0 ||
	    !cidr_pool_reserve(&rt->addresses, pod->ip))
		pod->ip = 0;
	pod->state = faccessat(fd, "ready", F_OK, 0) == 0 ? POD_READY : POD_FAILED;
	pod->report = true;
	r = list_names(&ids, fd, "c");
	if (r < 0)
		return err_errno(err, r, "list the containers of pod '%s'", uid);
	for (size_t i = 0; i < ids.n; i++)
		recover_container(pod, fd, ids.items[i]);
	return 0;
}

int pod_runtime_recover(struct pod_runtime *rt, struct err *err)
{
	autostrlist uids = {0};
	int r = list_names(&uids, rt->run_fd, "pods");

	if (r < 0)
		return err_errno(err, r, "list the pods in '%s'", rt->run_dir);
	for (size_t i = 0; i < uids.n; i++) {
		r = recover_pod(rt, uids.items[i], err);
		if (r < 0)
			return r;
	}
	pod_turn(rt);
	return 0;
}
