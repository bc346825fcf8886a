/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the socket and taking it away, or taking over one that was made for us. Its permissions
 * are right from the first moment: it is bound under a closed umask, so that nobody slips in before
 * its mode is set.
 */
#include "api/listener_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define BACKLOG 64

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Remove what a dead daemon left at ADDRESS. */
static int remove_stale(const struct sockaddr_un *address, struct err *err)
{
	autoclose int fd = make_socket();
	struct stat st;

	if (fd < 0)
		return err_errno(err, fd, "make a socket");
	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, errno, "look at '%s'", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_FATAL, EEXIST, NULL, "'%s' exists and is not a socket",
			       address->sun_path);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return err_set(err, ERR_FATAL, EADDRINUSE, NULL, "another process answers on '%s'",
			       address->sun_path);
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "remove the old socket '%s'", address->sun_path);
	return 0;
}

static int bind_closed(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0777);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(before);
	return r;
}

int listener_open(const char *path, mode_t mode, gid_t group, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autoclose int fd = make_socket();
	int r;

	if (fd < 0)
		return err_errno(err, fd, "make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, NULL,
			       "socket path '%s' is longer than %zu bytes", path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	r = remove_stale(&address, err);
	if (r < 0)
		return r;
	r = bind_closed(fd, &address);
	if (r < 0)
		return err_errno(err, r, "bind to '%s'", path);
	if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
		return err_errno(err, errno, "give '%s' to group %u", path, (unsigned int)group);
	if (chmod(path, mode) < 0)
		return err_errno(err, errno, "set the mode of '%s'", path);
	if (listen(fd, BACKLOG) < 0)
		return err_errno(err, errno, "listen on '%s'", path);
	return TAKE_FD(fd);
}

/* The path that FD is bound to; "" when it is no unix socket, or has none. */
static void bound_path(char ret[sizeof(((struct sockaddr_un *)0)->sun_path) + 1], int fd)
{
	struct sockaddr_un address = {0};
	socklen_t n = sizeof(address);

	ret[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &n) < 0 || address.sun_family != AF_UNIX)
		return;
	memcpy(ret, address.sun_path, sizeof(address.sun_path));
	ret[sizeof(address.sun_path)] = '\0';
}

int listener_check(int fd, const char *path, struct err *err)
{
	char bound[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	int flags = fcntl(fd, F_GETFL), listens = 0;
	socklen_t n = sizeof(listens);

	assert(fd >= 0 && *path == '/');
	bound_path(bound, fd);
	if (!str_eq(bound, path))
		return err_set(
			err, ERR_INVALID, EINVAL, NULL,
			"the inherited socket listens on '%s', not on '%s': make ListenStream= of the socket unit and the option 'socket' the same",
			bound, path);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens)
		return err_set(
			err, ERR_INVALID, EINVAL, NULL,
			"the inherited socket '%s' does not listen: it must be a stream socket",
			path);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(err, errno, "set up the inherited socket '%s'", path);
	return 0;
}

void listener_remove(const char *path)
{
	(void)unlink(path);
}
