/* SPDX-License-Identifier: Apache-2.0 */
/* The two messages of a gRPC health check, written and read by hand. */
#include "runtime/probe_grpc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

Test(probe_grpc, a_request_is_a_frame_with_the_name)
{
	autostrbuf out = STRBUF_INIT;
	char name[PROBE_GRPC_SERVICE_MAX + 2];

	cr_assert_eq(probe_grpc_request(&out, ""), 0);
	cr_expect(out.len == 5 && memcmp(out.data, "\0\0\0\0\0", 5) == 0);
	strbuf_reset(&out);
	cr_assert_eq(probe_grpc_request(&out, "web"), 0);
	cr_expect(out.len == 10 && memcmp(out.data, "\0\0\0\0\5\x0a\3web", 10) == 0);
	strbuf_reset(&out);
	memset(name, 'n', sizeof(name));
	name[200] = '\0';
	cr_assert_eq(probe_grpc_request(&out, name), 0);
	cr_expect(out.len == 208 && memcmp(out.data, "\0\0\0\0\xcb\x0a\xc8\1n", 9) == 0);
	name[200] = 'n';
	name[PROBE_GRPC_SERVICE_MAX + 1] = '\0';
	cr_expect_eq(probe_grpc_request(&out, name), -E2BIG);
}

Test(probe_grpc, answers)
{
	static const struct {
		const char *sentence, *data;
		size_t n;
		int r;
		uint64_t status;
	} cases[] = {
		{"serving", "\0\0\0\0\2\x08\1", 7, 0, PROBE_GRPC_SERVING},
		{"an empty message is UNKNOWN", "\0\0\0\0\0", 5, 0, PROBE_GRPC_UNKNOWN},
		{"a large number is kept", "\0\0\0\0\3\x08\x80\1", 8, 0, 128},
		{"unknown fields are skipped",
		 "\0\0\0\0\x16\x10\7\x1a\2ab\x21"
		 "12345678"
		 "\x2d"
		 "1234"
		 "\x08\1",
		 27, 0, PROBE_GRPC_SERVING},
		{"the last value counts", "\0\0\0\0\4\x08\2\x08\1", 9, 0, PROBE_GRPC_SERVING},
		{"nothing at all", "", 0, -EBADMSG, 0},
		{"half a frame's header", "\0\0\0", 3, -EBADMSG, 0},
		{"compressed", "\1\0\0\0\2\x08\1", 7, -EBADMSG, 0},
		{"longer than it says", "\0\0\0\0\1\x08\1", 7, -EBADMSG, 0},
		{"shorter than it says", "\0\0\0\0\3\x08\1", 7, -EBADMSG, 0},
		{"a length beyond memory", "\0\xff\xff\xff\xff\x08\1", 7, -EBADMSG, 0},
		{"a number without an end", "\0\0\0\0\3\x08\xff\xff", 8, -EBADMSG, 0},
		{"a number of eleven bytes",
		 "\0\0\0\0\xc\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 17, -EBADMSG, 0},
		{"a string beyond the end",
		 "\0\0\0\0\3\x1a\x7f"
		 "a",
		 8, -EBADMSG, 0},
		{"a group", "\0\0\0\0\1\x1b", 6, -EBADMSG, 0},
		{"field number zero", "\0\0\0\0\2\0\1", 7, -EBADMSG, 0},
		{"a fixed number that breaks off",
		 "\0\0\0\0\2\x21"
		 "1",
		 7, -EBADMSG, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t status = 0;

		cr_expect_eq(probe_grpc_response(&status, cases[i].data, cases[i].n), cases[i].r,
			     "%s", cases[i].sentence);
		cr_expect_eq(status, cases[i].status, "%s: %llu", cases[i].sentence,
			     (unsigned long long)status);
	}
}

Test(probe_grpc, names)
{
	char buf[24];

	cr_expect(str_eq(probe_grpc_name(buf, PROBE_GRPC_NOT_SERVING), "NOT_SERVING"));
	cr_expect(str_eq(probe_grpc_name(buf, PROBE_GRPC_SERVICE_UNKNOWN), "SERVICE_UNKNOWN"));
	cr_expect(str_eq(probe_grpc_name(buf, UINT64_MAX), "18446744073709551615"));
}
