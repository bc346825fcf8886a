/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server through its socket: answers, watches, slow and dead clients, limits, who may. Nothing
 * is timed; waits are bounded.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/api/fixture.h"

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"
#define POD(name, phase)                                                                           \
	"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'default', 'name': '" name  \
	"', 'labels': {'app': '" name                                                              \
	"'}}, 'spec': {'containers': [{'name': 'c'}]}, 'status': {'phase': '" phase                \
	"', 'containerStatuses': [{'name': 'c', 'restartCount': 0, 'state': {'running': {}}}]}}"

static struct fixture f;

static void setup(void)
{
	fixture_init(&f, 0600, (gid_t)-1);
}

static void teardown(void)
{
	fixture_deinit(&f);
}

TestSuite(server, .init = setup, .fini = teardown);

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
		n++;
	return n;
}

Test(server, answers_what_a_client_asks_first)
{
	autojson *j = NULL;
	autojson *groups = NULL;

	cr_expect_eq(fixture_get(&f, "/healthz", NULL, NULL), 200);
	cr_expect_eq(fixture_get(&f, "/readyz", NULL, NULL), 200);
	cr_expect_eq(fixture_get(&f, "/version", NULL, &j), 200);
	cr_expect_str_eq(json_path_str(j, "recondVersion", ""), "0.0.1");
	cr_expect_eq(fixture_get(&f, "/apis", NULL, &groups), 200);
	cr_expect_eq(json_array_size(json_object_get(groups, "groups")), 3);
	cr_expect_eq(fixture_get(&f, "/apis/apps/v1", NULL, NULL), 200);
	cr_expect_eq(fixture_get(&f, "/apis/apps/v2", NULL, NULL), 404);
	cr_expect_eq(fixture_get(&f, "/apis/recond.dev", NULL, NULL), 200);
}

Test(server, gets_and_lists_objects)
{
	autojson *list = NULL;
	autojson *selected = NULL;
	autojson *missing = NULL;
	autojson *one = NULL;

	fixture_put(f.store, POD("a", "Running"));
	fixture_put(f.store, POD("b", "Pending"));
	cr_expect_eq(fixture_get(&f, "/api/v1/namespaces/default/pods", NULL, &list), 200);
	cr_expect_str_eq(json_path_str(list, "kind", ""), "PodList");
	cr_expect_eq(json_array_size(json_object_get(list, "items")), 2);
	cr_expect_eq(
		fixture_get(
			&f,
			"/api/v1/pods?fieldSelector=status.phase%3DPending&labelSelector=app%3Db",
			NULL, &selected),
		200);
	cr_expect_eq(json_array_size(json_object_get(selected, "items")), 1);
	cr_expect_eq(fixture_get(&f, "/api/v1/namespaces/default/pods/a", NULL, &one), 200);
	cr_expect_str_eq(json_path_str(one, "metadata.name", ""), "a");
	cr_expect_eq(fixture_get(&f, "/api/v1/namespaces/default/pods/x", NULL, &missing), 404);
	cr_expect_str_eq(json_path_str(missing, "message", ""), "pods \"x\" not found");
	cr_expect_str_eq(json_path_str(missing, "reason", ""), "NotFound");
	cr_expect_eq(fixture_get(&f, "/api/v1/pods?labelSelector=%3D", NULL, NULL), 400);
}

Test(server, answers_tables)
{
	autojson *table = NULL;
	autojson *images = NULL;

	fixture_put(f.store, POD("a", "Running"));
	cr_expect_eq(fixture_get(&f, "/api/v1/pods?limit=500", TABLE, &table), 200);
	cr_expect_str_eq(json_path_str(table, "kind", ""), "Table");
	cr_expect_str_eq(json_path_str(table, "columnDefinitions.[2].name", ""), "Status");
	cr_expect_str_eq(json_path_str(table, "rows.[0].cells.[2]", ""), "Running");
	cr_expect_str_eq(json_path_str(table, "rows.[0].object.kind", ""), "PartialObjectMetadata");
	cr_expect_eq(fixture_get(&f, "/apis/recond.dev/v1/localimages", TABLE, &images), 200);
	cr_expect_str_eq(json_path_str(images, "rows.[0].cells.[2]", ""), "0123456789ab");
	cr_expect_str_eq(json_path_str(images, "rows.[0].cells.[4]", ""), "4.19MB");
}

Test(server, a_watch_tells_what_is_and_what_becomes)
{
	struct client c;

	fixture_put(f.store, POD("a", "Pending"));
	client_start(&c, &f, "GET /api/v1/pods?watch=1", NULL);
	cr_assert(client_wait_text(&c, "\"type\":\"ADDED\""));
	fixture_put(f.store, POD("a", "Running"));
	cr_assert(client_wait_text(&c, "\"type\":\"MODIFIED\""));
	fixture_put(f.store, POD("b", "Running"));
	cr_assert(client_wait_text(&c, "\"name\":\"b\""));
	cr_assert_eq(store_delete(f.store, KIND_POD, "default", "a"), 0);
	cr_assert(client_wait_text(&c, "\"type\":\"DELETED\""));
	cr_assert_eq(count(strbuf_str(&c.body), "\n"), 4);
	client_close(&c);
}

Test(server, a_watch_from_a_version_tells_what_came_after_it)
{
	autofree char *request = NULL;
	struct client c;

	fixture_put(f.store, POD("a", "Pending"));
	request = mem_asprintf("GET /api/v1/pods?watch=1&resourceVersion=%llu",
			       (unsigned long long)store_resource_version(f.store));
	fixture_put(f.store, POD("b", "Pending"));
	client_start(&c, &f, request, NULL);
	cr_assert(client_wait_text(&c, "\"name\":\"b\""));
	cr_assert_not(strstr(strbuf_str(&c.body), "\"name\":\"a\""));
	client_close(&c);
}

Test(server, a_watch_from_a_forgotten_version_is_told_410_in_the_stream)
{
	struct client c;

	for (int i = 0; i < 10000; i++)
		fixture_put(f.store, i % 2 ? POD("a", "Pending") : POD("a", "Running"));
	client_start(&c, &f, "GET /api/v1/pods?watch=1&resourceVersion=1", NULL);
	cr_assert(client_wait_end(&c));
	cr_assert_eq(c.decode.status, 200);
	cr_assert(strstr(strbuf_str(&c.body), "\"type\":\"ERROR\""));
	cr_assert(strstr(strbuf_str(&c.body), "\"code\":410"));
	client_close(&c);
}

Test(server, a_watch_with_a_selector_tells_of_coming_and_going)
{
	struct client c;

	fixture_put(f.store, POD("a", "Pending"));
	client_start(&c, &f, "GET /api/v1/pods?watch=1&fieldSelector=status.phase%3DRunning", NULL);
	client_turn(&c, 50);
	cr_assert_eq(c.body.len, 0);
	fixture_put(f.store, POD("a", "Running"));
	cr_assert(client_wait_text(&c, "\"type\":\"ADDED\""));
	fixture_put(f.store, POD("a", "Failed"));
	cr_assert(client_wait_text(&c, "\"type\":\"DELETED\""));
	fixture_put(f.store, POD("a", "Pending"));
	client_turn(&c, 50);
	cr_assert_eq(count(strbuf_str(&c.body), "\n"), 2);
	client_close(&c);
}

Test(server,
     a_table_watch_has_columns_in_its_first_event_only_and_marks_the_end_of_the_initial_ones)
{
	struct client c;

	fixture_put(f.store, POD("a", "Pending"));
	client_start(&c, &f, "GET /api/v1/pods?watch=1&sendInitialEvents=true", TABLE);
	cr_assert(client_wait_text(&c, "k8s.io/initial-events-end"));
	fixture_put(f.store, POD("a", "Running"));
	cr_assert(client_wait_text(&c, "\"type\":\"MODIFIED\""));
	cr_assert_eq(count(strbuf_str(&c.body), "\"Nominated Node\""), 1);
	client_close(&c);
}

Test(server, a_watch_ends_by_itself_after_timeoutSeconds)
{
	struct client c;

	client_start(&c, &f, "GET /api/v1/pods?watch=1&timeoutSeconds=1", NULL);
	cr_assert(client_wait_end(&c));
	cr_assert_eq(c.decode.state, HTTP_DECODE_DONE);
	client_close(&c);
}

Test(server, a_watcher_that_does_not_read_is_told_410_and_costs_a_bounded_queue)
{
	struct client c;

	client_start(&c, &f, "GET /api/v1/pods?watch=1", NULL);
	fixture_put(f.store, POD("a", "Pending"));
	cr_assert(client_wait_text(&c, "ADDED"));
	for (int i = 0; i < 4000; i++) {
		fixture_put(f.store, i % 2 ? POD("a", "Pending") : POD("a", "Running"));
		if (i % 64 == 0)
			(void)sd_event_run(f.loop, 0);
	}
	cr_assert(client_wait_end(&c));
	cr_assert(strstr(strbuf_str(&c.body), "\"code\":410"));
	cr_assert_lt(count(strbuf_str(&c.body), "\n"), 4000);
	cr_assert_eq(c.decode.state, HTTP_DECODE_DONE, "the stream ends in good order");
	client_close(&c);
}

static bool nobody_is_connected(void *data UNUSED)
{
	return api_server_connections(f.server) == 0;
}

Test(server, a_killed_watcher_frees_its_descriptor_without_any_event)
{
	struct client clients[20];
	size_t before;

	/* The loop keeps what its first timer opened. */
	cr_assert_eq(fixture_get(&f, "/healthz", NULL, NULL), 200);
	cr_assert(fixture_wait(&f, nobody_is_connected, NULL));
	before = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		client_start(&clients[i], &f, "GET /api/v1/pods?watch=1", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		client_turn(&clients[i], 5);
	cr_assert_eq(api_server_connections(f.server), ARRAY_SIZE(clients));
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		client_close(&clients[i]);
	cr_assert(fixture_wait(&f, nobody_is_connected, NULL));
	cr_assert_eq(count_fds(), before);
}

Test(server, ends_while_watches_are_open)
{
	struct client c;

	client_start(&c, &f, "GET /api/v1/pods?watch=1", NULL);
	client_turn(&c, 20);
	cr_assert_eq(api_server_connections(f.server), 1);
	f.server = api_server_free(f.server);
	client_close(&c);
}

Test(server, an_idle_watch_does_not_wake_the_daemon)
{
	struct client c;
	int turns = 0;

	client_start(&c, &f, "GET /api/v1/pods?watch=1", NULL);
	client_turn(&c, 50);
	for (int i = 0; i < 20; i++)
		turns += sd_event_run(f.loop, 10000) > 0;
	cr_assert_eq(turns, 0);
	client_close(&c);
}

Test(server, other_methods_and_bodies_are_refused_before_a_body_is_read)
{
	static const struct {
		const char *sentence;
		const char *request;
		unsigned int status;
	} cases[] = {
		{"DELETE is not allowed without a policy",
		 "DELETE /api/v1/namespaces/default/pods/a HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"DELETE of a list is not allowed",
		 "DELETE /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"POST where nothing is made is answered without its body",
		 "POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 405},
		{"a body that is too long is not read",
		 "POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
		 413},
		{"a GET with a body is refused",
		 "GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 400},
		{"a GET with chunks is refused",
		 "GET /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"an empty path segment leads nowhere", "GET //version HTTP/1.1\r\nHost: x\r\n\r\n",
		 404},
		{"dots lead nowhere", "GET /api/%2e%2e/version HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"an encoded slash separates nothing new",
		 "GET /api/v1/pods%2Fa HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"lower-case methods are no methods", "get /version HTTP/1.1\r\nHost: x\r\n\r\n",
		 405},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client c;

		client_start(&c, &f, cases[i].request, NULL);
		cr_assert(client_wait_end(&c), "%s: no answer", cases[i].sentence);
		cr_expect_eq(c.decode.status, cases[i].status, "%s: got %u, want %u",
			     cases[i].sentence, c.decode.status, cases[i].status);
		client_close(&c);
	}
}

Test(server, too_many_or_too_long_headers_are_refused)
{
	autostrbuf many = STRBUF_INIT;
	autostrbuf big = STRBUF_INIT;
	struct client c;

	strbuf_adds(&many, "GET /version HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 120; i++)
		strbuf_addf(&many, "X-%d: y\r\n", i);
	strbuf_adds(&many, "\r\n");
	client_start(&c, &f, strbuf_str(&many), NULL);
	cr_assert(client_wait_end(&c));
	cr_expect_eq(c.decode.status, 431);
	client_close(&c);

	strbuf_adds(&big, "GET /version HTTP/1.1\r\nHost: x\r\nX: ");
	for (int i = 0; i < 50000; i++)
		strbuf_addc(&big, 'y');
	strbuf_adds(&big, "\r\n\r\n");
	client_start(&c, &f, strbuf_str(&big), NULL);
	cr_assert(client_wait_end(&c));
	cr_expect(c.decode.status == 431 || c.decode.status == 0);
	client_close(&c);
}

Test(server, a_second_server_on_the_same_socket_is_refused_and_a_stale_socket_replaced)
{
	struct api_config config = {
		.socket_path = f.socket, .mode = 0600, .group = (gid_t)-1, .version = "2"};
	struct api_host host = {};
	struct api_server *second;
	struct err err = {};

	cr_assert_eq(api_server_new(&second, f.loop, &config, f.store, &host, NULL, &err),
		     -EADDRINUSE);
	cr_assert(strstr(err.message, "another process answers"));
}

/* Who may */

/* The status a process of uid and gid UID, GID gets for TARGET; 0 when it cannot even connect. */
static unsigned int status_as(struct fixture *fix, uid_t uid, gid_t gid, const char *target)
{
	int pipe_fds[2];
	char buf[16] = "";
	pid_t pid;

	cr_assert_eq(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		struct client c;
		char answer[64] = "";
		ssize_t n = 0;

		if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
			_exit(9);
		c.fd = -1;
		client_start(&c, fix, target, NULL);
		for (int i = 0; i < 500 && n <= 0; i++) {
			n = recv(c.fd, answer, sizeof(answer) - 1, 0);
			if (n <= 0)
				(void)usleep(10000);
		}
		(void)!write(pipe_fds[1], answer + 9, 3);
		_exit(0);
	}
	(void)close(pipe_fds[1]);
	while (waitpid(pid, NULL, WNOHANG) == 0)
		(void)sd_event_run(fix->loop, 10000);
	(void)!read(pipe_fds[0], buf, sizeof(buf) - 1);
	(void)close(pipe_fds[0]);
	return (unsigned int)strtoul(buf, NULL, 10);
}

Test(server_peer, only_root_and_the_sockets_group_are_served)
{
	struct fixture open;

	if (geteuid() != 0)
		cr_skip("needs root to become others");
	fixture_init(&open, 0666, 4242);
	cr_expect_eq(status_as(&open, 0, 0, "GET /version"), 200);
	cr_expect_eq(status_as(&open, 65534, 65534, "GET /version"), 403);
	cr_expect_eq(status_as(&open, 65534, 65534, "GET /no/such/path"), 403,
		     "paths are not disclosed");
	cr_expect_eq(status_as(&open, 65534, 65534, "GET /healthz"), 200);
	cr_expect_eq(status_as(&open, 65534, 4242, "GET /version"), 200, "the group may");
	fixture_deinit(&open);
}

Test(server_peer, the_socket_is_closed_to_others_by_its_mode)
{
	struct fixture closed;
	struct stat st;

	fixture_init(&closed, 0660, (gid_t)-1);
	cr_assert_eq(stat(closed.socket, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0660);
	fixture_deinit(&closed);
}

/* Logs */

static void append(const char *path, const char *text)
{
	FILE *file = fopen(path, "a");

	cr_assert(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

static void rotate(void)
{
	autofree char *to = mem_asprintf("%s.1", f.log);

	cr_assert_eq(rename(f.log, to), 0);
}

#define LOG_URL "/api/v1/namespaces/default/pods/a/log"
#define LINE(text) "2026-01-01T00:00:00.5Z stdout F " text "\n"

Test(server, a_log_is_stripped_of_its_prefix)
{
	struct client c;

	fixture_put(f.store, POD("a", "Running"));
	f.has_log = true;
	append(f.log, LINE("one") "2026-01-01T00:00:00Z stderr P tw\n" LINE("o") LINE(""));
	client_start(&c, &f, "GET " LOG_URL, NULL);
	cr_assert(client_wait_end(&c));
	cr_assert_str_eq(strbuf_str(&c.body), "one\ntwo\n\n");
	client_close(&c);
}

Test(server, following_a_log_goes_on_over_a_rotation_and_ends_with_the_container)
{
	struct client c;

	fixture_put(f.store, POD("a", "Running"));
	f.has_log = true;
	append(f.log, LINE("one"));
	client_start(&c, &f, "GET " LOG_URL "?follow=true&container=c", NULL);
	cr_assert(client_wait_text(&c, "one\n"));
	append(f.log, LINE("two"));
	cr_assert(client_wait_text(&c, "two\n"));
	append(f.log, LINE("three"));
	rotate();
	append(f.log, LINE("four"));
	cr_assert(client_wait_text(&c, "four\n"));
	append(f.log, LINE("five"));
	fixture_put(
		f.store,
		"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'default', 'name': 'a'}, "
		"'spec': {'containers': [{'name': 'c'}]}, 'status': {'containerStatuses': [{'name': 'c', "
		"'restartCount': 0, 'state': {'terminated': {'exitCode': 0}}}]}}");
	cr_assert(client_wait_end(&c));
	cr_assert_str_eq(strbuf_str(&c.body), "one\ntwo\nthree\nfour\nfive\n");
	client_close(&c);
}

Test(server, a_killed_follower_frees_its_descriptors)
{
	struct client c;
	size_t before;

	fixture_put(f.store, POD("a", "Running"));
	f.has_log = true;
	append(f.log, LINE("one"));
	client_start(&c, &f, "GET " LOG_URL "?follow=true",
		     NULL); /* the loop keeps its inotify fd: open it first */
	cr_assert(client_wait_text(&c, "one\n"));
	client_close(&c);
	cr_assert(fixture_wait(&f, nobody_is_connected, NULL));
	before = count_fds();
	client_start(&c, &f, "GET " LOG_URL "?follow=true", NULL);
	cr_assert(client_wait_text(&c, "one\n"));
	client_close(&c);
	cr_assert(fixture_wait(&f, nobody_is_connected, NULL));
	cr_assert_eq(count_fds(), before);
}

Test(server, a_log_that_cannot_be_had_says_why)
{
	static const struct {
		const char *sentence;
		const char *target;
		unsigned int status;
		const char *message;
	} cases[] = {
		{"no such pod", "/api/v1/namespaces/default/pods/x/log", 404,
		 "pods \"x\" not found"},
		{"no such container", LOG_URL "?container=z", 400,
		 "container z is not valid for pod a"},
		{"no run before", LOG_URL "?previous=true", 400,
		 "previous terminated container \"c\" in pod \"a\" not found"},
		{"not started", LOG_URL, 400,
		 "container \"c\" in pod \"a\" is waiting to start: ContainerCreating"},
		{"a bad number", LOG_URL "?tailLines=x", 400,
		 "invalid value 'x' of parameter tailLines"},
	};

	fixture_put(f.store, POD("a", "Pending"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *j = NULL;

		cr_expect_eq(fixture_get(&f, cases[i].target, NULL, &j), cases[i].status, "%s",
			     cases[i].sentence);
		cr_expect_str_eq(json_path_str(j, "message", ""), cases[i].message, "%s: got %s",
				 cases[i].sentence, json_path_str(j, "message", ""));
	}
}
