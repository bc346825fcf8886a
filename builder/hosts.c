/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name resolution of RUN steps.
 */
#include "builder/hosts.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "builder/run.h"
#include "runtime/rootfs.h"

#define RESOLV_MAX_BYTES (64u << 10)

static const char *const names[HOSTS_N] = {"hosts", "resolv.conf"};

static const char hosts_text[] = "127.0.0.1\tlocalhost\n"
				 "::1\tlocalhost ip6-localhost ip6-loopback\n"
				 "127.0.1.1\t" RUN_HOSTNAME "\n";

static int write_files(const struct workspace *ws, bool host_network, struct err *err)
{
	autoclose int fd = host_network ? fs_open("/etc/resolv.conf", O_RDONLY, 0) : -1;
	autofree char *resolvers = NULL;
	size_t n = 0;
	int r;

	if (fd >= 0 && fs_read_fd(&resolvers, &n, fd, RESOLV_MAX_BYTES) < 0)
		n = 0;
	r = fs_replace(ws->fd, names[0], hosts_text, strlen(hosts_text), 0644, err);
	if (r >= 0)
		r = fs_replace(ws->fd, names[1], resolvers ? resolvers : "", n, 0644, err);
	return r;
}

/* The time of /etc in the root; false when there is none. */
static bool etc_time(int root_fd, struct timespec *ret)
{
	autoclose int fd = fs_open_in_root(root_fd, "etc", O_PATH | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	*ret = st.st_mtim;
	return true;
}

static void mount_one(struct hosts *h, struct spec *spec, size_t i)
{
	const struct workspace *ws = h->root->ws;
	autofree char *in_root = mem_asprintf("/etc/%s", names[i]);
	autofree char *source = mem_asprintf("%s/%s", ws->path, names[i]);
	autoclose int there = fs_open_in_root(h->root->fd, in_root, O_PATH, 0);
	autofree char *resolved = NULL;

	if (rootfs_mountpoint(&resolved, h->root->fd, in_root, ROOTFS_FILE, false, NULL) < 0)
		return;
	spec_add_mount(spec, source, resolved)->read_only = true;
	if (there < 0)
		h->stubs[i] = TAKE_PTR(resolved);
}

int hosts_mount(struct hosts *ret, struct spec *spec, const struct workspace_root *root,
		bool host_network, struct err *err)
{
	struct hosts h = {.root = root};
	int r;

	r = write_files(root->ws, host_network, err);
	if (r < 0)
		return r;
	h.made_etc = !etc_time(root->fd, &h.etc_before);
	for (size_t i = 0; i < HOSTS_N; i++)
		mount_one(&h, spec, i);
	(void)etc_time(root->fd, &h.etc_after);
	*ret = h;
	return 0;
}

/* Only what is as we made it: an empty regular file. */
static void remove_stub(int root_fd, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	autofree char *dir = mem_strndup(path, (size_t)(name - path));
	autoclose int fd = fs_open_in_root(root_fd, dir, O_PATH | O_DIRECTORY, 0);
	struct stat st;

	if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == 0)
		(void)unlinkat(fd, name, 0);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void hosts_unmount(struct hosts *h)
{
	struct timespec now = {}, times[2] = {{.tv_nsec = UTIME_OMIT}, h->etc_before};
	int root_fd = h->root ? h->root->fd : -1;
	bool untouched;

	if (root_fd < 0)
		return;
	untouched = etc_time(root_fd, &now) && same_time(&now, &h->etc_after);
	for (size_t i = 0; i < HOSTS_N; i++) {
		if (h->stubs[i])
			remove_stub(root_fd, h->stubs[i]);
		free(h->stubs[i]);
		h->stubs[i] = NULL;
	}
	if (h->made_etc)
		(void)unlinkat(root_fd, "etc", AT_REMOVEDIR);
	else if (untouched)
		(void)utimensat(root_fd, "etc", times, AT_SYMLINK_NOFOLLOW);
	h->root = NULL;
}
