/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks over the network against servers that behave and servers that do not.
 */
#include "runtime/probe.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "probe_server.h"

#define GUARD_MS 20000 /* nothing takes as long, or it hangs */

struct run {
	sd_event *loop;
	struct probe_set *set;
	size_t ends, want;
	uint64_t seq;
	bool ok;
	char message[16384];
};

static void on_done(uint64_t seq, bool ok, const char *message, size_t n, void *data)
{
	struct run *run = data;

	run->ends++;
	run->seq = seq;
	run->ok = ok;
	(void)snprintf(run->message, sizeof(run->message), "%.*s", (int)n, message);
	if (run->ends == run->want)
		(void)sd_event_exit(run->loop, 0);
}

static void on_guard(void *data UNUSED)
{
	cr_assert_fail("a check does not end");
}

static void run_init(struct run *run)
{
	*run = (struct run){.want = 1};
	cr_assert_eq(loop_new(&run->loop, NULL), 0);
	cr_assert_eq(probe_set_new(&run->set, run->loop, on_done, run, NULL), 0);
}

static void run_deinit(struct run *run)
{
	run->set = probe_set_free(run->set);
	run->loop = sd_event_unref(run->loop);
}

/* Run checks until as many ended as wanted. */
static void run_loop(struct run *run)
{
	sd_event_source *guard = NULL;

	cr_assert_geq(loop_timer(&guard, run->loop, GUARD_MS, on_guard, NULL), 0);
	if (run->ends < run->want)
		cr_assert_geq(sd_event_loop(run->loop), 0);
	(void)sd_event_source_disable_unref(guard);
}

/* One check of REQUEST (stolen); true when it went well. */
static bool check(struct run *run, json_t *request)
{
	run_init(run);
	cr_assert(request);
	probe_set_start(run->set, 1, request);
	json_decref(request);
	run_loop(run);
	run_deinit(run);
	cr_expect_eq(run->ends, 1);
	cr_expect_eq(run->seq, 1);
	return run->ok;
}

static json_t *http_request(int port, const char *path, int timeout_ms)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:s}", "type", "httpGet", "host",
			 "127.0.0.1", "port", port, "path", path, "scheme", "HTTP", "timeoutMs",
			 timeout_ms, "userAgent", "kube-probe/1.2");
}

Test(probe, http_answers)
{
	static const struct {
		const char *sentence, *path;
		bool ok;
		const char *message; /* "%d" is the port; NULL: any */
		int timeout_ms;
	} cases[] = {
		{"200 is well", "/ok", true, "", 0},
		{"a path without a slash gets one", "ok", true, "", 0},
		{"204 is well", "/204", true, "", 0},
		{"399 is well, and no redirect", "/399", true,
		 "Probe terminated redirects, Response body: ", 0},
		{"400 is not", "/400", false, "HTTP probe failed with statuscode: 400", 0},
		{"503 is not", "/503", false, "HTTP probe failed with statuscode: 503", 0},
		{"a redirect on the host is followed", "/redirect", true, "", 0},
		{"what it leads to counts", "/redirect-bad", false,
		 "HTTP probe failed with statuscode: 503", 0},
		{"an endless redirect is left", "/loop", false,
		 "Get \"http://127.0.0.1:%d/loop\": stopped after 10 redirects", 0},
		{"a redirect to nowhere is well", "/no-location", true,
		 "Probe terminated redirects, Response body: ", 0},
		{"a redirect to another host is not followed, and well", "/elsewhere", true,
		 "Probe terminated redirects, Response body: gone", 0},
		{"a redirect to another protocol is an error", "/gopher", false, NULL, 0},
		{"what is no HTTP is an error", "/garbage", false, NULL, 0},
		{"nor is an answer without a header", "/http09", false, NULL, 0},
		{"an endless body is left after 10 KiB", "/endless", true, "", 0},
		{"an endless header is an error", "/endless-header", false,
		 "Get \"http://127.0.0.1:%d/endless-header\": the header is too long", 0},
		{"endless interim answers are an error", "/endless-100", false, NULL, 0},
		{"a body that breaks off is an error", "/cut-body", false, NULL, 0},
		{"a body that does not come is a timeout", "/half-body", false,
		 "Get \"http://127.0.0.1:%d/half-body\": context deadline exceeded (Client.Timeout "
		 "or context cancellation while reading body)",
		 200},
		{"half a header is a timeout", "/half-header", false, NULL, 200},
		{"no answer is a timeout", "/hang", false,
		 "Get \"http://127.0.0.1:%d/hang\": context deadline exceeded (Client.Timeout "
		 "exceeded while awaiting headers)",
		 200},
		{"a connection closed without a word is an error", "/nothing", false,
		 "Get \"http://127.0.0.1:%d/nothing\": EOF", 0},
	};
	struct probe_server server;

	probe_server_start(&server, probe_server_http);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int timeout = cases[i].timeout_ms ? cases[i].timeout_ms : 10000;
		struct run run;
		char want[512];

		cr_expect_eq(check(&run, http_request(server.port, cases[i].path, timeout)),
			     cases[i].ok, "%s: %s", cases[i].sentence, run.message);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(want, sizeof(want), cases[i].message ? cases[i].message : "",
			       server.port);
#pragma GCC diagnostic pop
		cr_expect(!cases[i].message || str_eq(run.message, want), "%s:\n got %s\nwant %s",
			  cases[i].sentence, run.message, want);
		cr_expect(cases[i].ok || *run.message, "%s: fails without a word",
			  cases[i].sentence);
	}
	probe_server_stop(&server);
}

Test(probe, any_answer_to_a_hook_is_well)
{
	struct probe_server server;
	struct run run;
	json_t *request;

	probe_server_start(&server, probe_server_http);
	request = http_request(server.port, "/503", 5000);
	json_set(request, "anyStatus", json_true());
	cr_expect(check(&run, request), "%s", run.message);
	request = http_request(server.port, "/garbage", 5000);
	json_set(request, "anyStatus", json_true());
	cr_expect_not(check(&run, request), "none is not");
	probe_server_stop(&server);
}

/* What the server saw, by the warning that carries it. */
static const char *echo(struct run *run, json_t *request)
{
	cr_assert(check(run, request), "%s", run->message);
	return run->message;
}

Test(probe, http_headers_as_the_kubelet_sends_them)
{
	struct probe_server server;
	struct run run;
	json_t *request;
	char host[64];

	probe_server_start(&server, probe_server_http);
	(void)snprintf(host, sizeof(host), "Host: 127.0.0.1:%d\r\n", server.port);
	(void)echo(&run, http_request(server.port, "/echo?a=b c", 5000));
	cr_expect(strstr(run.message, "GET /echo?a=b%20c HTTP/1.1\r\n"), "%s", run.message);
	cr_expect(strstr(run.message, host), "%s", run.message);
	cr_expect(strstr(run.message, "User-Agent: kube-probe/1.2\r\n"), "%s", run.message);
	cr_expect(strstr(run.message, "Accept: */*\r\n"), "%s", run.message);
	cr_expect(strstr(run.message, "Connection: close\r\n"), "%s", run.message);
	cr_expect(!strstr(run.message, "Accept-Encoding"), "%s", run.message);

	request = http_request(server.port, "/echo", 5000);
	json_set(request, "headers",
		 json_pack("[[ss][ss][ss][ss][ss][ss]]", "Host", "web.test", "user-agent", "mine",
			   "Accept", "", "X-A", "1", "X-A", "2", "X-Empty", ""));
	(void)echo(&run, request);
	cr_expect(strstr(run.message, "Host: web.test\r\n"), "%s", run.message);
	cr_expect(strstr(run.message, "user-agent: mine\r\n"), "%s", run.message);
	cr_expect(!strstr(run.message, "kube-probe"), "%s", run.message);
	cr_expect(!strstr(run.message, "Accept"), "%s", run.message);
	cr_expect(strstr(run.message, "X-A: 1\r\nX-A: 2\r\n"), "%s", run.message);
	cr_expect(strstr(run.message, "X-Empty:"), "%s", run.message);
	probe_server_stop(&server);
}

Test(probe, the_host_of_the_manifest_survives_relative_redirects_only)
{
	struct probe_server server;
	struct run run;
	json_t *request;

	probe_server_start(&server, probe_server_http);
	request = http_request(server.port, "/redirect-echo", 5000);
	json_set(request, "headers", json_pack("[[ss]]", "Host", "web.test"));
	(void)echo(&run, request);
	cr_expect(strstr(run.message, "Host: web.test\r\n"), "%s", run.message);

	request = http_request(server.port, "/redirect-absolute", 5000);
	json_set(request, "headers", json_pack("[[ss]]", "Host", "web.test"));
	(void)echo(&run, request);
	cr_expect(strstr(run.message, "Host: 127.0.0.1:"), "%s", run.message);
	probe_server_stop(&server);
}

Test(probe, a_header_cannot_smuggle_another)
{
	static const char *const bad[][2] = {
		{"X\r\nY", "1"}, {"X", "1\r\nY: 2"}, {"", "1"}, {"X Y", "1"}, {"X", "\x7f"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *request = http_request(1, "/", 1000);
		struct run run;

		json_set(request, "headers", json_pack("[[ss]]", bad[i][0], bad[i][1]));
		cr_expect(!check(&run, request));
		cr_expect(strstr(run.message, "invalid header"), "%s", run.message);
	}
}

Test(probe, a_certificate_is_not_verified)
{
	struct probe_server server;
	struct run run;
	json_t *request;

	probe_server_start(&server, probe_server_https);
	request = http_request(server.port, "/ok", 10000);
	json_set(request, "scheme", json_string("HTTPS"));
	cr_expect(check(&run, request), "%s", run.message);
	probe_server_stop(&server);
	/* Plain HTTP to it, and TLS to what speaks none. */
	probe_server_start(&server, probe_server_http);
	request = http_request(server.port, "/ok", 1000);
	json_set(request, "scheme", json_string("HTTPS"));
	cr_expect(!check(&run, request));
	probe_server_stop(&server);
}

static json_t *other_request(const char *type, const char *host, int port, int timeout_ms)
{
	return json_pack("{s:s, s:s, s:i, s:i}", "type", type, "host", host, "port", port,
			 "timeoutMs", timeout_ms);
}

Test(probe, tcp_needs_a_connection_and_no_more)
{
	struct probe_server server;
	struct run run;
	char want[128];
	int port = probe_server_free_port();

	probe_server_start(&server, probe_server_http);
	cr_expect(check(&run, other_request("tcpSocket", "127.0.0.1", server.port, 5000)), "%s",
		  run.message);
	cr_expect(str_eq(run.message, ""));
	cr_expect(check(&run, other_request("tcpSocket", "localhost", server.port, 5000)), "%s",
		  run.message);
	probe_server_stop(&server);
	cr_expect(!check(&run, other_request("tcpSocket", "127.0.0.1", port, 5000)));
	(void)snprintf(want, sizeof(want), "dial tcp 127.0.0.1:%d: connect: connection refused",
		       port);
	cr_expect(str_eq(run.message, want), "%s", run.message);
	cr_expect(!check(&run, other_request("tcpSocket", "no-such-name.invalid", 1, 5000)));
	cr_expect(strstr(run.message, "no-such-name.invalid") || strstr(run.message, "timeout"),
		  "%s", run.message);
}

Test(probe, grpc_answers)
{
	static const struct {
		const char *sentence, *service;
		bool ok;
		const char *message; /* NULL: any */
		int timeout_ms;
	} cases[] = {
		{"SERVING is well", "", true, "", 0},
		{"of a named service too", "web", true, "", 0},
		{"NOT_SERVING is not", "down", false,
		 "service unhealthy (responded with \"NOT_SERVING\")", 0},
		{"a number nobody knows is not", "odd", false,
		 "service unhealthy (responded with \"77\")", 0},
		{"an unknown service is not", "unknown", false,
		 "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
		 0},
		{"a server without health checks says so", "unimplemented", false,
		 "error: this server does not implement the grpc health protocol "
		 "(grpc.health.v1.Health): unknown method Check",
		 0},
		{"an answer without trailers is none", "no-trailer", false, NULL, 0},
		{"a frame whose length lies is none", "bad-frame", false,
		 "error: health rpc probe failed: the answer is no gRPC (HTTP status 200)", 0},
		{"an endless answer is left", "endless", false, NULL, 0},
		{"a server that goes away is an error", "goaway", false, NULL, 5000},
		{"no answer is a timeout", "hang", false,
		 "timeout: health rpc did not complete within 0.3s", 300},
	};
	struct probe_server server;

	probe_server_start(&server, probe_server_grpc);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int timeout = cases[i].timeout_ms ? cases[i].timeout_ms : 10000;
		json_t *request = other_request("grpc", "127.0.0.1", server.port, timeout);
		struct run run;

		json_set(request, "service", json_string(cases[i].service));
		cr_expect_eq(check(&run, request), cases[i].ok, "%s: %s", cases[i].sentence,
			     run.message);
		cr_expect(!cases[i].message || str_eq(run.message, cases[i].message),
			  "%s:\n got %s\nwant %s", cases[i].sentence, run.message,
			  cases[i].message);
	}
	probe_server_stop(&server);
}

Test(probe, grpc_against_what_is_no_http2)
{
	struct probe_server server;
	struct run run;

	probe_server_start(&server, probe_server_http);
	cr_expect(!check(&run, other_request("grpc", "127.0.0.1", server.port, 1000)));
	cr_expect(*run.message);
	probe_server_stop(&server);
	cr_expect(!check(&run, other_request("grpc", "127.0.0.1", probe_server_free_port(), 1000)));
	cr_expect(strstr(run.message, "connection refused"), "%s", run.message);
}

Test(probe, requests_without_sense_are_answered)
{
	static const struct {
		const char *type, *host;
		int port, timeout_ms;
	} cases[] = {
		{"httpGet", "", 80, 1000},
		{"httpGet", "a/b", 80, 1000},
		{"httpGet", "user@host", 80, 1000},
		{"tcpSocket", "127.0.0.1", 0, 1000},
		{"tcpSocket", "127.0.0.1", 65536, 1000},
		{"nonsense", "127.0.0.1", 1, 1000},
		{"grpc", "127.0.0.1", 1, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run run;

		cr_expect(!check(&run, other_request(cases[i].type, cases[i].host, cases[i].port,
						     cases[i].timeout_ms)));
		cr_expect(strstr(run.message, "malformed"), "%s", run.message);
	}
}

Test(probe, many_at_once_and_a_cancelled_one)
{
	struct probe_server server;
	json_t *hanging, *good;
	struct run run;

	probe_server_start(&server, probe_server_http);
	run_init(&run);
	run.want = 200;
	hanging = http_request(server.port, "/hang", 60000);
	good = http_request(server.port, "/ok", 60000);
	probe_set_start(run.set, 1000, hanging);
	probe_set_start(run.set, 1001, hanging);
	for (uint64_t i = 1; i <= run.want; i++)
		probe_set_start(run.set, i, good);
	probe_set_cancel(run.set, 1000);
	probe_set_cancel(run.set, 5555);
	run_loop(&run);
	cr_expect_eq(run.ends, 200);
	/* 1001 hangs on, and ends with the set without a word. */
	run_deinit(&run);
	cr_expect_eq(run.ends, 200);
	json_decref(hanging);
	json_decref(good);
	probe_server_stop(&server);
}
