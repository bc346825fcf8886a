/* SPDX-License-Identifier: Apache-2.0 */
/* Framing: whole, split at every byte, and malformed. */
#include "base/ipc.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void frames(struct strbuf *out)
{
	ipc_frame(out, 1, "hello", 5);
	ipc_frame(out, 2, NULL, 0);
	ipc_frame(out, IPC_MAX_TYPE, "a\0b", 3);
}

static void expect_message(const struct ipc_msg *m, uint32_t type, const char *data, size_t len)
{
	cr_expect_eq(m->type, type);
	cr_assert_eq(m->len, len);
	cr_expect_eq(memcmp(m->data, data, len), 0);
	cr_expect_eq(m->data[len], '\0');
}

static void expect_frames(struct strbuf *in, size_t *seen)
{
	static const struct {
		uint32_t type;
		const char *data;
		size_t len;
	} want[] = {{1, "hello", 5}, {2, "", 0}, {IPC_MAX_TYPE, "a\0b", 3}};
	struct ipc_msg m;
	int r;

	while ((r = ipc_take(in, &m)) > 0) {
		cr_assert_lt(*seen, ARRAY_SIZE(want));
		expect_message(&m, want[*seen].type, want[*seen].data, want[*seen].len);
		ipc_msg_deinit(&m);
		(*seen)++;
	}
	cr_expect_eq(r, 0);
}

Test(ipc, frames_split_at_each_byte)
{
	autostrbuf all = STRBUF_INIT;

	frames(&all);
	for (size_t cut = 0; cut <= all.len; cut++) {
		autostrbuf in = STRBUF_INIT;
		size_t seen = 0;

		strbuf_add(&in, all.data, cut);
		expect_frames(&in, &seen);
		strbuf_add(&in, all.data + cut, all.len - cut);
		expect_frames(&in, &seen);
		cr_expect_eq(seen, 3, "cut at %zu: %zu messages", cut, seen);
		cr_expect_eq(in.len, 0);
	}
}

Test(ipc, frames_byte_by_byte)
{
	autostrbuf all = STRBUF_INIT, in = STRBUF_INIT;
	size_t seen = 0;

	frames(&all);
	for (size_t i = 0; i < all.len; i++) {
		strbuf_add(&in, all.data + i, 1);
		expect_frames(&in, &seen);
	}
	cr_expect_eq(seen, 3);
}

static void raw_header(struct strbuf *out, uint32_t len, uint32_t type)
{
	uint32_t fields[] = {htole32(len), htole32(type)};

	strbuf_add(out, fields, sizeof(fields));
}

static const struct {
	const char *name;
	uint32_t len, type;
	int want; /* of ipc_take() on the header alone */
} headers[] = {
	{"the longest payload", IPC_MAX_BYTES, 1, 0},
	{"one byte more", IPC_MAX_BYTES + 1, 1, -EBADMSG},
	{"the longest length", UINT32_MAX, 1, -EBADMSG},
	{"no type", 1, 0, -EBADMSG},
	{"a type beyond the last", 1, IPC_MAX_TYPE + 1, -EBADMSG},
	{"text for a header", 0x74746820, 0x2f312e31, -EBADMSG},
};

Test(ipc, headers)
{
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		autostrbuf in = STRBUF_INIT;
		struct ipc_msg m;

		raw_header(&in, headers[i].len, headers[i].type);
		cr_expect_eq(ipc_take(&in, &m), headers[i].want, "%s", headers[i].name);
	}
}

Test(ipc, receiving_headers)
{
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		autostrbuf in = STRBUF_INIT;
		struct ipc_msg m;
		int p[2];

		if (headers[i].want == 0)
			continue;
		cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
		raw_header(&in, headers[i].len, headers[i].type);
		cr_assert_eq(write(p[1], in.data, in.len), (ssize_t)in.len);
		cr_expect_eq(ipc_recv(p[0], &m), -EBADMSG, "%s", headers[i].name);
		(void)close(p[0]);
		(void)close(p[1]);
	}
}

Test(ipc, an_end_within_a_message_is_malformed)
{
	autostrbuf all = STRBUF_INIT;

	ipc_frame(&all, 1, "hello", 5);
	for (size_t cut = 0; cut <= all.len; cut++) {
		struct ipc_msg m = {0};
		int p[2], want = cut == 0 ? 0 : cut == all.len ? 1 : -EBADMSG;

		cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
		cr_assert_eq(write(p[1], all.data, cut), (ssize_t)cut);
		(void)close(p[1]);
		cr_expect_eq(ipc_recv(p[0], &m), want, "cut at %zu", cut);
		ipc_msg_deinit(&m);
		(void)close(p[0]);
	}
}

/* More than a socket holds, so that both sides see short transfers. */
Test(ipc, a_large_message_between_processes)
{
	enum { SIZE = 3 << 20 };
	autofree char *data = mem_alloc(SIZE);
	struct ipc_msg m = {0};
	int s[2], status;
	pid_t pid;

	memset(data, 'x', SIZE);
	data[SIZE - 1] = 'y';
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	pid = fork();
	if (pid == 0)
		_exit(ipc_send(s[1], 7, data, SIZE) == 0 ? 0 : 1);
	(void)close(s[1]);
	cr_assert_eq(ipc_recv(s[0], &m), 1);
	expect_message(&m, 7, data, SIZE);
	ipc_msg_deinit(&m);
	cr_expect_eq(ipc_recv(s[0], &m), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	(void)close(s[0]);
}

Test(ipc, json)
{
	json_t *j = json_pack("{s:i}", "a", 1);
	struct ipc_msg m = {0};
	int s[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	cr_assert_eq(ipc_send_json(s[1], 3, j), 0);
	cr_assert_eq(ipc_recv(s[0], &m), 1);
	expect_message(&m, 3, "{\"a\":1}", 7);
	ipc_msg_deinit(&m);
	json_decref(j);
	(void)close(s[0]);
	(void)close(s[1]);
}

Test(ipc, a_gone_peer_is_an_error_not_a_signal)
{
	int s[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	(void)close(s[0]);
	cr_expect_eq(ipc_send(s[1], 1, "x", 1), -EPIPE);
	cr_expect_eq(ipc_send(s[1], 1, NULL, (size_t)IPC_MAX_BYTES + 1), -EMSGSIZE);
	(void)close(s[1]);
}
