/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that somebody else made for us: which ones are taken over, and that clients who come
 * while no daemon runs wait in it for the next one.
 */
#include "api/listener_priv.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "tests/unit/api/fixture.h"

static char dir[] = "/tmp/recond-listener.XXXXXX";
static char path[64];

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
}

static void teardown(void)
{
	cr_assert_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

TestSuite(listener, .init = setup, .fini = teardown);

enum make { MAKE_STREAM, MAKE_SILENT, MAKE_DATAGRAM, MAKE_UNBOUND, MAKE_FILE };

/* As a service manager would: blocking, inherited on exec, bound to WHERE. */
static int make(enum make what, const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (what == MAKE_FILE)
		return open("/dev/null", O_RDONLY);
	fd = socket(AF_UNIX, what == MAKE_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);
	cr_assert(fd >= 0);
	if (what == MAKE_UNBOUND)
		return fd;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (what == MAKE_STREAM)
		cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

Test(listener, only_a_stream_socket_that_listens_on_the_path_is_taken_over)
{
	static const struct {
		const char *sentence;
		enum make what;
		const char *name;
		const char *error; /* NULL: taken over */
	} cases[] = {
		{"a listening socket on the path", MAKE_STREAM, "s", NULL},
		{"another path is named", MAKE_STREAM, "other", "/other', not on '"},
		{"a socket that does not listen", MAKE_SILENT, "s", "does not listen"},
		{"a datagram socket", MAKE_DATAGRAM, "s", "does not listen"},
		{"a socket without a name", MAKE_UNBOUND, "", "listens on '', not on '"},
		{"no socket at all", MAKE_FILE, "", "listens on '', not on '"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *where = mem_asprintf("%s/%s", dir, cases[i].name);
		int fd = make(cases[i].what, where);
		struct err err = {0};
		int r = listener_check(fd, path, &err);

		cr_expect_eq(r, cases[i].error ? -EINVAL : 0, "%s: got %d", cases[i].sentence, r);
		if (cases[i].error)
			cr_expect(strstr(err.message, cases[i].error), "%s: got '%s'",
				  cases[i].sentence, err.message);
		(void)close(fd);
		(void)unlink(path);
	}
}

Test(listener, what_is_taken_over_neither_blocks_nor_is_inherited_further)
{
	int fd = make(MAKE_STREAM, path);
	struct err err = {0};

	cr_assert_eq(listener_check(fd, path, &err), 0, "%s", err.message);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
}

static struct api_server *serve(struct fixture *f, int fd)
{
	const struct api_config config = {.socket_path = f->socket,
					  .group = (gid_t)-1,
					  .version = "2",
					  .listen_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)};
	static const struct api_host host;
	struct api_server *s = NULL;
	struct err err = {0};

	cr_assert_eq(api_server_new(&s, f->loop, &config, f->store, &host, NULL, &err), 0, "%s",
		     err.message);
	return s;
}

Test(listener, clients_who_come_between_two_servers_wait_for_the_second)
{
	struct fixture f;
	struct client c;
	int fd;

	fixture_init(&f, 0600, (gid_t)-1);
	f.server = api_server_free(f.server);
	fd = make(MAKE_STREAM, f.socket);
	f.server = serve(&f, fd);
	cr_expect_eq(fixture_get(&f, "/version", NULL, NULL), 200);
	f.server = api_server_free(f.server);
	cr_assert_eq(access(f.socket, F_OK), 0, "the path is the service manager's");

	client_start(&c, &f, "GET /version", NULL);
	f.server = serve(&f, fd);
	cr_expect(client_wait_end(&c), "the client that queued is answered");
	cr_expect_eq(c.decode.status, 200);
	client_close(&c);
	(void)close(fd);
	f.server = api_server_free(f.server);
	cr_assert_eq(unlink(f.socket), 0);
	fixture_deinit(&f);
}
