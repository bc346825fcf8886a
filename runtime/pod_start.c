/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting one container: overlay, check of the root file system, config.json, monitor. Whatever
 * fails is undone here; a worker that is killed on the way leaves what pod_container_clear()
 * removes.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/container.h"
#include "runtime/monitor.h"
#include "runtime/overlay.h"
#include "runtime/passwd.h"
#include "runtime/pod_worker_priv.h"
#include "runtime/rootfs.h"
#include "runtime/spec.h"
#include "runtime/volume.h"

#define CONFIG_ERROR "CreateContainerConfigError"
#define CREATE_ERROR "CreateContainerError"
#define MAX_MOUNTS 256
#define CRUN_LOG_MAX (64u << 10)

/* A container under construction. */
struct start {
	struct pod_job *job;
	const char *id;
	char *bundle; /* <run path of the pod>/c/<id> */
	int bundle_fd;
	int root_fd;   /* of the mounted overlay */
	int lock_fd;   /* held by the monitor for its life */
	json_t *ready; /* what the sandbox said */
	struct imageconfig image;
	struct spec spec;
	struct passwd_ids ids;
	unsigned int sub_paths;
};

static int start_init(struct start *s, struct pod_job *job, struct err *err)
{
	autofree char *text = NULL;
	size_t n;
	int r;

	*s = (struct start){
		.job = job,
		.id = json_path_str(job->doc, "id", ""),
		.bundle_fd = -1,
		.root_fd = -1,
		.lock_fd = -1,
	};
	imageconfig_init(&s->image);
	spec_init(&s->spec);
	if (strlen(s->id) != POD_ID_SIZE - 1 ||
	    strspn(s->id, "0123456789abcdef") != POD_ID_SIZE - 1)
		return err_invalid(err, "malformed container id");
	s->bundle = mem_asprintf("%s/c/%s", job->run_path, s->id);
	r = pod_job_open(job, false, err);
	if (r == 0)
		r = fs_read_at(&text, &n, job->run_fd, "ready", CRUN_LOG_MAX);
	if (r == 0)
		r = json_parse(&s->ready, text, n, CRUN_LOG_MAX, err);
	return r < 0 ? err_set(err, ERR_TRANSIENT, r, CREATE_ERROR,
			       "the pod's sandbox is not ready")
		     : 0;
}

static void start_deinit(struct start *s)
{
	free(s->bundle);
	s->bundle_fd = mem_close(s->bundle_fd);
	s->root_fd = mem_close(s->root_fd);
	s->lock_fd = mem_close(s->lock_fd);
	json_decref(s->ready);
	imageconfig_deinit(&s->image);
	spec_deinit(&s->spec);
}

/* Take the container's lock; a second start of the same id ends here, whoever asks for it. */
static int claim(struct start *s, struct err *err)
{
	autofree char *rel = mem_asprintf("c/%s/rootfs", s->id);
	struct monitor_process other;
	int r = fs_mkdir_p(s->job->run_fd, rel, 0700);

	if (r == 0)
		r = s->bundle_fd = fs_open(s->bundle, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = s->lock_fd = fs_open_at(s->bundle_fd, "lock", O_RDWR | O_CREAT, 0600);
	if (r < 0)
		return err_errno(err, r, "make the bundle of container '%s'", s->id);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ||
	    monitor_read_self(&other, s->bundle_fd) != 0)
		return err_set(err, ERR_INVALID, EEXIST, CREATE_ERROR,
			       "container '%s' was started before", s->id);
	return 0;
}

/*
 * What a restarted daemon has to know of the container, whole before anything of it runs. As the
 * lock is ours, it is not written into what is being removed.
 */
static int write_intent(struct start *s, struct err *err)
{
	const json_t *q = s->job->request;
	bool fallback = str_eq(json_path_str(q, "terminationMessagePolicy", "File"),
			       "FallbackToLogsOnError");
	autojson *j = json_pack("{s:s, s:I, s:b}", "name", json_path_str(q, "name", ""), "attempt",
				(json_int_t)json_path_int(q, "attempt", 0), "fallbackToLogs",
				(int)fallback);
	autofree char *text = json_canonical(j);

	return fs_replace(s->bundle_fd, "container.json", text, strlen(text), 0600, err);
}

/* The overlay's root shows the attributes of the upper directory: give it those of the image's
 * root. */
static int copy_root_attributes(int from, int to)
{
	struct stat st;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int open_layers(const json_t *layers, int fds[OVERLAY_MAX_LOWER], size_t *n, struct err *err)
{
	size_t total = json_array_size(layers);

	if (total == 0 || total > OVERLAY_MAX_LOWER)
		return err_set(err, ERR_INVALID, EINVAL, CREATE_ERROR, "the image has %zu layers",
			       total);
	for (*n = 0; *n < total; ++*n) {
		/* The image lists them lowest first, the overlay topmost first. */
		const char *path = json_string_value(json_array_get(layers, total - 1 - *n));

		fds[*n] = fs_open(path ? path : "", O_PATH | O_DIRECTORY, 0);
		if (fds[*n] < 0)
			return err_errno(err, fds[*n], "open layer '%s'", path);
	}
	return 0;
}

static int mount_on(struct start *s, const int *lowers, size_t n, struct err *err)
{
	autofree char *rel = mem_asprintf("c/%s", s->id);
	autoclose int disk = -1, upper = -1, work = -1, target = -1;
	struct overlay_spec overlay;
	int r;

	/* Fresh ones: what a volatile overlay once wrote is not to be mounted again. */
	r = fs_remove_tree(s->job->disk_fd, rel);
	if (r == 0)
		r = fs_mkdir_p(s->job->disk_fd, rel, 0700);
	if (r == 0)
		r = disk = fs_open_at(s->job->disk_fd, rel, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = fs_mkdir_p(disk, "upper", 0755);
	if (r == 0)
		r = fs_mkdir_p(disk, "work", 0700);
	if (r < 0)
		return err_errno(err, r, "make the writable layer");
	upper = fs_open_at(disk, "upper", O_RDONLY | O_DIRECTORY, 0);
	work = fs_open_at(disk, "work", O_RDONLY | O_DIRECTORY, 0);
	target = fs_open_at(s->bundle_fd, "rootfs", O_PATH | O_DIRECTORY, 0);
	if (upper < 0 || work < 0 || target < 0)
		return err_errno(err, EIO, "open the writable layer");
	r = copy_root_attributes(lowers[0], upper);
	if (r < 0)
		return err_errno(err, r, "copy the attributes of the image's root");
	overlay = (struct overlay_spec){
		.lower_fds = lowers,
		.n_lower = n,
		.upper_fd = upper,
		.work_fd = work,
		.is_volatile = true,
	};
	r = overlay_mount(&overlay, target, err);
	return r < 0 ? err_wrap(err, "mount the root file system") : 0;
}

static int mount_root(struct start *s, struct err *err)
{
	int lowers[OVERLAY_MAX_LOWER];
	size_t n = 0;
	int r = open_layers(json_object_get(s->job->doc, "layers"), lowers, &n, err);

	if (r == 0)
		r = mount_on(s, lowers, n, err);
	for (size_t i = 0; i < n; i++)
		(void)close(lowers[i]);
	if (r < 0)
		return r;
	s->root_fd = fs_open_at(s->bundle_fd, "rootfs", O_RDONLY | O_DIRECTORY, 0);
	if (s->root_fd < 0)
		return err_errno(err, s->root_fd, "open the root file system");
	return rootfs_check(s->root_fd, err);
}

static int resolve_user(struct start *s, struct err *err)
{
	const json_t *groups = json_path(s->job->request, "securityContext.supplementalGroups"), *g;
	const json_t *fs_group = json_object_get(s->ready, "fsGroup");
	autofree char *user = NULL;
	size_t i, at = 0;
	int r = container_user(&user, s->job->request, &s->image, err);

	if (r == 0)
		r = passwd_resolve(&s->ids, s->root_fd, user, err);
	if (r == 0)
		r = container_check_uid(s->job->request, s->ids.uid, err);
	if (r < 0)
		return r;
	s->spec.uid = s->ids.uid;
	s->spec.gid = s->ids.gid;
	(void)container_group(&s->spec.gid, s->job->request);
	s->spec.groups = mem_calloc(s->ids.n_groups + json_array_size(groups) + 1, sizeof(gid_t));
	for (i = 0; i < s->ids.n_groups; i++)
		s->spec.groups[at++] = s->ids.groups[i];
	json_array_foreach((json_t *)groups, i, g)
		s->spec.groups[at++] = (gid_t)json_integer_value(g);
	if (json_is_integer(fs_group))
		s->spec.groups[at++] = (gid_t)json_integer_value(fs_group);
	s->spec.n_groups = at;
	container_env_default(&s->spec, "HOME", s->ids.home);
	return 0;
}

static int resolve_cwd(struct start *s, struct err *err)
{
	const char *cwd = json_path_str(s->job->request, "workingDir", NULL);
	struct rootfs_owner owner = {.uid = s->ids.uid, .gid = s->spec.gid};

	free(s->spec.cwd);
	s->spec.cwd = NULL;
	return rootfs_cwd(&s->spec.cwd, s->root_fd, cwd && *cwd ? cwd : s->image.working_dir, owner,
			  err);
}

static int add_mount(struct start *s, const char *source, const char *destination,
		     enum rootfs_kind kind, struct err *err)
{
	autofree char *resolved = NULL;
	int r = rootfs_mountpoint(&resolved, s->root_fd, destination, kind, true, err);

	if (r < 0)
		return err_wrap(err, "mount point '%s'", destination);
	(void)spec_add_mount(&s->spec, source, resolved);
	return 0;
}

/* A volume, or with subPath a part of it, cloned to a mount of our own so that nothing can be
 * exchanged later. */
static int add_volume(struct start *s, const json_t *m, int volumes_fd, struct err *err)
{
	const char *volume = json_path_str(m, "volume", "");
	const char *sub_path = json_path_str(m, "subPath", "");
	const char *destination = json_path_str(m, "mountPath", "");
	autoclose int fd = volume_open(volumes_fd, volume, sub_path, err);
	autofree char *source = NULL;
	struct stat st;
	char name[32];
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "look at volume '%s'", volume);
	if (*sub_path) {
		(void)snprintf(name, sizeof(name), "sub-%u", s->sub_paths++);
		r = volume_attach(fd, s->bundle_fd, name, err);
		if (r < 0)
			return r;
		source = mem_asprintf("%s/%s", s->bundle, name);
	} else {
		source = mem_asprintf("%s/volumes/%s", s->job->run_path, volume);
	}
	r = add_mount(s, source, destination, S_ISDIR(st.st_mode) ? ROOTFS_DIR : ROOTFS_FILE, err);
	if (r == 0)
		s->spec.mounts[s->spec.n_mounts - 1].read_only =
			json_path_bool(m, "readOnly", false);
	return r;
}

static bool is_mounted_by_request(const json_t *mounts, const char *destination)
{
	const json_t *m;
	size_t i;

	json_array_foreach((json_t *)mounts, i, m) {
		autofree char *path = fs_clean_path(json_path_str(m, "mountPath", ""));

		if (str_eq(path, destination))
			return true;
	}
	return false;
}

/* What every container of a pod gets, unless its own mounts take the place. */
static int add_pod_mounts(struct start *s, const json_t *mounts, struct err *err)
{
	static const struct {
		const char *name, *destination;
		enum rootfs_kind kind;
		bool writable; /* unless the root is read-only */
	} files[] = {
		{"hosts", "/etc/hosts", ROOTFS_FILE, true},
		{"hostname", "/etc/hostname", ROOTFS_FILE, false},
		{"resolv.conf", "/etc/resolv.conf", ROOTFS_FILE, false},
		{"shm", "/dev/shm", ROOTFS_DIR, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autofree char *source = mem_asprintf("%s/%s", s->job->run_path, files[i].name);
		int r;

		if (is_mounted_by_request(mounts, files[i].destination))
			continue;
		r = add_mount(s, source, files[i].destination, files[i].kind, err);
		if (r < 0)
			return r;
		s->spec.mounts[s->spec.n_mounts - 1].read_only =
			!files[i].writable ||
			(s->spec.root_read_only && files[i].kind == ROOTFS_FILE);
	}
	return 0;
}

static int add_termination_log(struct start *s, struct err *err)
{
	const char *path =
		json_path_str(s->job->request, "terminationMessagePath", "/dev/termination-log");
	autofree char *source = mem_asprintf("%s/termination-log", s->bundle);
	autoclose int fd =
		fs_open_at(s->bundle_fd, "termination-log", O_WRONLY | O_CREAT | O_NOFOLLOW, 0666);

	if (fd < 0 || fchmod(fd, 0666) < 0)
		return err_errno(err, fd < 0 ? fd : errno, "make the termination log");
	return *path ? add_mount(s, source, path, ROOTFS_FILE, err) : 0;
}

static int depth(const char *path)
{
	int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Outer mount points before inner ones. */
static int by_depth(const void *a, const void *b)
{
	const struct spec_mount *x = a, *y = b;
	int d = depth(x->destination) - depth(y->destination);

	return d ? d : strcmp(x->destination, y->destination);
}

static int add_mounts(struct start *s, struct err *err)
{
	const json_t *mounts = json_object_get(s->job->request, "mounts"), *m;
	autoclose int volumes_fd = fs_open_at(s->job->run_fd, "volumes", O_RDONLY | O_DIRECTORY, 0);
	size_t i;
	int r;

	if (volumes_fd < 0)
		return err_errno(err, volumes_fd, "open the pod's volumes");
	if (json_array_size(mounts) > MAX_MOUNTS)
		return err_set(err, ERR_INVALID, E2BIG, CONFIG_ERROR, "more than %d mounts",
			       MAX_MOUNTS);
	r = add_pod_mounts(s, mounts, err);
	if (r == 0)
		r = add_termination_log(s, err);
	if (r < 0)
		return r;
	json_array_foreach((json_t *)mounts, i, m) {
		r = add_volume(s, m, volumes_fd, err);
		if (r < 0)
			return r;
	}
	qsort(s->spec.mounts, s->spec.n_mounts, sizeof(s->spec.mounts[0]), by_depth);
	return 0;
}

/* A privileged container sees the device nodes lying directly in the host's /dev. */
static int add_devices(struct spec *s, struct err *err)
{
	autoclose int dev = fs_open("/dev", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *e;
	struct stat st;
	DIR *d = dev < 0 ? NULL : fdopendir(dev);

	if (!d)
		return err_errno(err, errno, "list /dev");
	dev = -1; /* the stream owns it */
	while ((e = readdir(d))) {
		if (str_eq(e->d_name, "console") || str_eq(e->d_name, "tty") ||
		    str_eq(e->d_name, "ptmx") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
			continue;
		GROW(s->devices, s->cap_devices, s->n_devices + 1);
		s->devices[s->n_devices++] = (struct spec_device){
			.path = mem_asprintf("/dev/%s", e->d_name),
			.type = S_ISCHR(st.st_mode) ? 'c' : 'b',
			.major = major(st.st_rdev),
			.minor = minor(st.st_rdev),
			.mode = st.st_mode,
			.uid = st.st_uid,
			.gid = st.st_gid,
		};
	}
	(void)closedir(d);
	return 0;
}

static void join_namespaces(struct start *s)
{
	bool host = json_path_bool(s->ready, "hostNetwork", false);

	s->spec.ns[SPEC_NS_IPC].path = mem_asprintf("%s/ns/ipc", s->job->run_path);
	s->spec.ns[SPEC_NS_NET].host = host;
	s->spec.ns[SPEC_NS_UTS].host = host;
	if (host)
		return;
	s->spec.ns[SPEC_NS_NET].path = mem_asprintf("%s/ns/net", s->job->run_path);
	s->spec.ns[SPEC_NS_UTS].path = mem_asprintf("%s/ns/uts", s->job->run_path);
}

static int write_config(struct start *s, struct err *err)
{
	autojson *config = NULL;
	autofree char *text = NULL;
	autoclose int fd = -1;
	int r = spec_build(&config, &s->spec, err);

	if (r < 0)
		return err_reason(err, CONFIG_ERROR);
	text = json_dumps(config, JSON_COMPACT);
	fd = fs_open_at(s->bundle_fd, "config.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	r = fd < 0 ? fd : fs_write_all(fd, text, strlen(text));
	return r < 0 ? err_errno(err, r, "write config.json") : 0;
}

static int make_config(struct start *s, struct err *err)
{
	int r;

	r = imageconfig_parse(&s->image, json_object_get(s->job->doc, "image"), err);
	if (r == 0)
		r = container_spec(&s->spec, s->job->request, &s->image,
				   json_path_str(s->ready, "hostname", NULL), err);
	if (r == 0)
		r = resolve_user(s, err);
	if (r == 0)
		r = resolve_cwd(s, err);
	if (r == 0)
		r = add_mounts(s, err);
	if (r == 0 && s->spec.privileged)
		r = add_devices(&s->spec, err);
	if (r < 0)
		return r;
	s->spec.root = mem_asprintf("%s/rootfs", s->bundle);
	s->spec.cgroup_path = mem_asprintf("%s/%s", s->job->cgroup, s->id);
	spec_host_read(&s->spec.host);
	join_namespaces(s);
	return write_config(s, err);
}

static int launch(struct start *s, json_t **ret_reply, struct err *err)
{
	struct pod_launch l = {
		.id = s->id,
		.bundle = s->bundle,
		.bundle_fd = s->bundle_fd,
		.cgroup_path = s->spec.cgroup_path,
		.lock_fd = s->lock_fd,
	};
	int r = pod_launch(ret_reply, s->job, &l, err);

	s->lock_fd = l.lock_fd;
	return r;
}

int pod_verb_container_start(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	struct start s;
	struct err ignored;
	int r, claimed = -1;

	r = start_init(&s, job, err);
	if (r == 0)
		r = claimed = claim(&s, err);
	if (r == 0)
		r = write_intent(&s, err);
	if (r == 0)
		r = FAILPOINT_ERR("start.mount", err);
	if (r == 0)
		r = mount_root(&s, err);
	if (r == 0)
		r = FAILPOINT_ERR("start.config", err);
	if (r == 0)
		r = make_config(&s, err);
	if (r == 0)
		r = FAILPOINT_ERR("start.monitor", err);
	if (r == 0)
		r = launch(&s, ret_reply, err);
	if (r < 0)
		(void)err_reason(err, CREATE_ERROR);
	s.lock_fd = mem_close(s.lock_fd);
	if (r < 0 && claimed == 0 && pod_container_clear(job, s.id, &ignored) < 0)
		*ret_reply = json_pack("{s:b}", "remains", 1);
	start_deinit(&s);
	return r;
}
