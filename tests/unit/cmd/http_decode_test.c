/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that are accepted and refused, whole and byte by byte.
 */
#include "cmd/http_decode.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *sentence;
	const char *response;
	unsigned int status; /* 0: refused */
	const char *body;
} cases[] = {
	{"a body of known length", OK "Content-Length: 3\r\n\r\nabc", 200, "abc"},
	{"an empty body", OK "Content-Length: 0\r\n\r\n", 200, ""},
	{"a body until the end", OK "\r\nabc", 200, "abc"},
	{"chunks", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
	 200, "abc0123456789"},
	{"chunk extensions and trailers",
	 OK "transfer-encoding: Chunked\r\n\r\n1;x=y\r\na\r\n0\r\nT: v\r\n\r\n", 200, "a"},
	{"an error status", "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", 404, "x"},
	{"no reason phrase", "HTTP/1.1 204\r\n\r\n", 204, ""},
	{"an interim response before",
	 "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", 200, "x"},
	{"spaces before a value", OK "Content-Length: \t 2\r\n\r\nab", 200, "ab"},
	{"another protocol", "HTTP/1.0 200 OK\r\n\r\n", 0, ""},
	{"a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", 0, ""},
	{"a status out of range", "HTTP/1.1 999 OK\r\n\r\n", 0, ""},
	{"both a length and chunks", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	 0, ""},
	{"two lengths", OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 0, ""},
	{"two encodings", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
	 ""},
	{"an encoding we do not speak", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, ""},
	{"a negative length", OK "Content-Length: -1\r\n\r\n", 0, ""},
	{"a length with a sign", OK "Content-Length: +1\r\n\r\nx", 0, ""},
	{"a huge length", OK "Content-Length: 99999999999999999999\r\n\r\n", 0, ""},
	{"a folded header", OK "A: b\r\n c\r\n\r\n", 0, ""},
	{"a header without colon", OK "nonsense\r\n\r\n", 0, ""},
	{"bare line feeds", OK "A: b\nC: d\r\n\r\n", 0, ""},
	{"a chunk size that is no number", OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, ""},
	{"an empty chunk size", OK "Transfer-Encoding: chunked\r\n\r\n\r\n", 0, ""},
	{"a huge chunk", OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 0, ""},
	{"a chunk longer than announced",
	 OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 0, ""},
	{"a body that is cut", OK "Content-Length: 5\r\n\r\nab", 0, ""},
	{"chunks that are cut", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nab", 0, ""},
	{"no last chunk", OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", 0, ""},
	{"bytes after the end", OK "Content-Length: 1\r\n\r\nab", 0, ""},
	{"a head that is cut", OK "Content-Le", 0, ""},
	{"nothing", "", 0, ""},
};

static void check(size_t i, size_t piece)
{
	const char *response = cases[i].response;
	size_t n = strlen(response);
	struct http_decode d = {};
	autostrbuf body = STRBUF_INIT;
	int r = 0;

	for (size_t at = 0; at < n && r == 0; at += piece)
		r = http_decode_feed(&d, response + at, n - at < piece ? n - at : piece, &body,
				     NULL);
	if (r == 0)
		r = http_decode_end(&d, NULL);
	if (cases[i].status == 0) {
		cr_expect_lt(r, 0, "%s: accepted", cases[i].sentence);
	} else {
		cr_expect_eq(r, 0, "%s: refused", cases[i].sentence);
		cr_expect_eq(d.status, cases[i].status, "%s: got %u", cases[i].sentence, d.status);
		cr_expect_str_eq(strbuf_str(&body), cases[i].body, "%s: got %s", cases[i].sentence,
				 strbuf_str(&body));
	}
	http_decode_deinit(&d);
}

Test(http_decode, responses)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(i, 100000);
		check(i, 1);
		check(i, 7);
	}
}

Test(http_decode, a_head_without_end_is_refused)
{
	struct http_decode d = {};
	autostrbuf body = STRBUF_INIT;
	int r = http_decode_feed(&d, OK, strlen(OK), &body, NULL);

	for (int i = 0; i < 100000 && r == 0; i++)
		r = http_decode_feed(&d, "A: b\r\n", 6, &body, NULL);
	cr_expect_lt(r, 0);
	http_decode_deinit(&d);
}

Test(http_decode, a_chunk_line_without_end_is_refused)
{
	struct http_decode d = {};
	autostrbuf body = STRBUF_INIT;
	const char *head = OK "Transfer-Encoding: chunked\r\n\r\n1;";
	int r = http_decode_feed(&d, head, strlen(head), &body, NULL);

	for (int i = 0; i < 1000 && r == 0; i++)
		r = http_decode_feed(&d, "x", 1, &body, NULL);
	cr_expect_lt(r, 0);
	http_decode_deinit(&d);
}
