/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workspaces of builds.
 */
#include "builder/workspace.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "runtime/cgroup.h"
#include "runtime/layer.h"
#include "runtime/layer_pack.h"
#include "runtime/overlay.h"

static char *cgroup_path(const char *root, const char *id)
{
	return root ? mem_asprintf("%s/build-%s", root, id) : mem_asprintf("/recond-build-%s", id);
}

/* Remove the control groups of the build ID. Negative when one still has processes. */
static int remove_cgroups(const char *root, const char *id)
{
	_cleanup_(mem_freep) struct cgroup_host *host = NEW(struct cgroup_host);
	autofree char *path = cgroup_path(root, id);

	if (cgroup_host_read(host, NULL) < 0)
		return 0;
	return cgroup_remove(host, path, NULL);
}

/* Remove the directory of a build that is dead: nobody holds its lock. */
static void collect_one(int tmp_fd, const char *cgroup_root, const char *id)
{
	autoclose int fd = fs_open_at(tmp_fd, id, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (remove_cgroups(cgroup_root, id) < 0)
		return;
	(void)fs_remove_tree(tmp_fd, id);
}

static void collect(int tmp_fd, const char *cgroup_root)
{
	int fd = fs_open_at(tmp_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		(void)mem_close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			collect_one(tmp_fd, cgroup_root, e->d_name);
	(void)closedir(dir);
}

/* The directory of this build, locked. The caller holds the lock of the directory above. */
static int make_own(struct workspace *w)
{
	unsigned char random[8];
	int r;

	clock_random(random, sizeof(random));
	str_hex(w->id, random, sizeof(random));
	r = fs_mkdir_p(w->tmp_fd, w->id, 0700);
	if (r >= 0)
		r = w->fd = fs_open_at(w->tmp_fd, w->id, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = flock(w->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	return r;
}

int workspace_open(struct workspace *ret, struct image_store *store, const char *cgroup_root,
		   struct err *err)
{
	const char *state = image_store_state_dir(store);
	autoclose int dir = fs_open(state, O_RDONLY | O_DIRECTORY, 0);
	struct workspace w = {.tmp_fd = -1, .fd = -1, .cgroup_root = cgroup_root, .store = store};
	int r;

	r = dir < 0 ? dir : fs_mkdir_p(dir, "build/tmp", 0700);
	if (r >= 0)
		r = w.tmp_fd = fs_open_at(dir, "build/tmp", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_errno(err, r, "build directory in '%s'", state);
	/* One at a time, or a build that collects takes the directory another has not locked yet.
	 */
	r = flock(w.tmp_fd, LOCK_EX) < 0 ? -errno : 0;
	if (r >= 0) {
		collect(w.tmp_fd, cgroup_root);
		r = make_own(&w);
		(void)flock(w.tmp_fd, LOCK_UN);
	}
	if (r < 0) {
		(void)close(w.tmp_fd);
		(void)mem_close(w.fd);
		return err_errno(err, r, "build directory '%s'", w.id);
	}
	w.path = mem_asprintf("%s/build/tmp/%s", state, w.id);
	*ret = w;
	return 0;
}

void workspace_close(struct workspace *w)
{
	if (!w->path)
		return;
	(void)remove_cgroups(w->cgroup_root, w->id);
	(void)fs_remove_tree(w->tmp_fd, w->id);
	w->fd = mem_close(w->fd);
	w->tmp_fd = mem_close(w->tmp_fd);
	free(w->path);
	w->path = NULL;
}

char *workspace_cgroup(const struct workspace *w)
{
	return cgroup_path(w->cgroup_root, w->id);
}

static int make_dir(struct workspace *w, char name[16], char kind, struct err *err)
{
	int r;

	(void)snprintf(name, 16, "%c%u", kind, w->n);
	r = fs_mkdir_p(w->fd, name, 0755);
	return r < 0 ? err_errno(err, r, "mkdir '%s/%s'", w->path, name) : 0;
}

/* The unpacked layers as fds, topmost first. */
static int open_layers(int *fds, struct workspace *w, const struct manifest_layer *layers, size_t n,
		       struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = layer_ensure_sync(w->store, &layers[i], NULL, err);

		if (r >= 0)
			r = fds[n - 1 - i] = layer_open(w->store, layers[i].diff_id);
		if (r < 0)
			return err_wrap(err, "layer %s", layers[i].diff_id);
	}
	return 0;
}

static int mount_overlay(struct workspace_root *r, const int *lower, size_t n, bool writable,
			 struct err *err)
{
	int dir = r->ws->fd, result;
	autoclose int target = fs_open_at(dir, r->root, O_PATH | O_DIRECTORY, 0);
	autoclose int upper = -1;
	autoclose int work = -1;

	if (writable) {
		upper = fs_open_at(dir, r->upper, O_PATH | O_DIRECTORY, 0);
		work = fs_open_at(dir, r->work, O_PATH | O_DIRECTORY, 0);
	}
	if (target < 0 || (writable && (upper < 0 || work < 0)))
		return err_errno(err, EIO, "open the directories of an overlay");
	result = overlay_mount(&(struct overlay_spec){.lower_fds = lower,
						      .n_lower = n,
						      .upper_fd = upper,
						      .work_fd = work,
						      .is_volatile = writable},
			       target, err);
	if (result < 0)
		return result;
	r->fd = fs_open_at(dir, r->root, O_PATH | O_DIRECTORY, 0);
	return r->fd < 0 ? err_errno(err, r->fd, "open the mounted root") : 0;
}

int workspace_mount(struct workspace_root *ret, struct workspace *w,
		    const struct manifest_layer *layers, size_t n, bool writable, struct err *err)
{
	int fds[MANIFEST_MAX_LAYERS + 2];
	char empty[16];
	int r;

	assert(n <= MANIFEST_MAX_LAYERS);
	*ret = (struct workspace_root){.ws = w, .fd = -1};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = -1;
	w->n++;
	r = make_dir(w, ret->root, 'r', err);
	if (r >= 0 && writable)
		r = make_dir(w, ret->upper, 'u', err);
	if (r >= 0 && writable)
		r = make_dir(w, ret->work, 'w', err);
	if (r >= 0)
		r = open_layers(fds, w, layers, n, err);
	/* Empty directories below all: an overlay needs one lower, a read-only one needs two. */
	for (size_t i = n; i < n + 2 && r >= 0; i++) {
		r = make_dir(w, empty, i == n ? 'e' : 'f', err);
		if (r >= 0)
			fds[i] = fs_open_at(w->fd, empty, O_PATH | O_DIRECTORY, 0);
	}
	if (r >= 0)
		r = mount_overlay(ret, fds, n >= 2 ? n : n + 2 - (n == 1), writable, err);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)mem_close(fds[i]);
	if (r < 0)
		workspace_unmount(ret);
	return r < 0 ? r : 0;
}

void workspace_unmount(struct workspace_root *r)
{
	if (r->fd < 0)
		return;
	r->fd = mem_close(r->fd);
	(void)overlay_unmount(r->ws->fd, r->root, NULL);
}

int workspace_commit(struct manifest_layer *ret, struct workspace_root *r, const int64_t *clamp,
		     struct err *err)
{
	struct layer_pack_options options = {.compression = MANIFEST_GZIP};
	struct workspace *w = r->ws;
	struct manifest_layer layer;
	autoclose int upper = -1;
	int result;

	workspace_unmount(r);
	upper = fs_open_at(w->fd, r->upper, O_RDONLY | O_DIRECTORY, 0);
	if (upper < 0)
		return err_errno(err, upper, "open '%s/%s'", w->path, r->upper);
	if (clamp) {
		options.clamp_mtime = true;
		options.max_mtime = *clamp;
	}
	result = layer_pack(&layer, NULL, w->store, upper, &options, err);
	if (result < 0)
		return result;
	result = layer_adopt(w->store, layer.diff_id, w->fd, r->upper, err);
	if (result < 0)
		return result;
	*ret = layer;
	return 0;
}
