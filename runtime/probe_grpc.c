/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC health check: POST over HTTP/2 without TLS, one frame each way, the outcome in trailers.
 */
#include "runtime/probe_grpc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/probe_priv.h"

#define FRAME_HEADER 5 /* one byte "compressed", four of length, big endian */
#define VARINT_MAX 10
#define MESSAGE_MAX 1024
#define GRPC_CODE_MAX 16

/* Of protobuf's wire format. */
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define FIELD_STATUS 1
#define FIELD_SERVICE 1

static const char *const serving_names[PROBE_GRPC_SERVING_N_] = {
	[PROBE_GRPC_UNKNOWN] = "UNKNOWN",
	[PROBE_GRPC_SERVING] = "SERVING",
	[PROBE_GRPC_NOT_SERVING] = "NOT_SERVING",
	[PROBE_GRPC_SERVICE_UNKNOWN] = "SERVICE_UNKNOWN",
};

/* grpc/codes, by number, as Go prints them. */
static const char *const code_names[GRPC_CODE_MAX + 1] = {
	"OK",
	"Canceled",
	"Unknown",
	"InvalidArgument",
	"DeadlineExceeded",
	"NotFound",
	"AlreadyExists",
	"PermissionDenied",
	"ResourceExhausted",
	"FailedPrecondition",
	"Aborted",
	"OutOfRange",
	"Unimplemented",
	"Internal",
	"Unavailable",
	"DataLoss",
	"Unauthenticated",
};

#define CODE_DEADLINE_EXCEEDED 4
#define CODE_UNIMPLEMENTED 12

const char *probe_grpc_name(char buf[24], uint64_t status)
{
	if (status < PROBE_GRPC_SERVING_N_)
		return serving_names[status];
	(void)snprintf(buf, 24, "%llu", (unsigned long long)status);
	return buf;
}

static void add_varint(struct strbuf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_addc(out, (char)(v | 0x80));
	strbuf_addc(out, (char)v);
}

int probe_grpc_request(struct strbuf *out, const char *service)
{
	autostrbuf message = STRBUF_INIT;
	size_t n = strlen(service);
	unsigned char header[FRAME_HEADER] = {0};

	if (n > PROBE_GRPC_SERVICE_MAX)
		return -E2BIG;
	/* A field with its default value is not written. */
	if (n > 0) {
		add_varint(&message, FIELD_SERVICE << 3 | WIRE_BYTES);
		add_varint(&message, n);
		strbuf_add(&message, service, n);
	}
	header[3] = (unsigned char)(message.len >> 8);
	header[4] = (unsigned char)message.len;
	strbuf_add(out, header, sizeof(header));
	strbuf_add(out, message.data, message.len);
	return 0;
}

struct reader {
	const unsigned char *at, *end;
};

static int read_varint(uint64_t *ret, struct reader *r)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < VARINT_MAX && r->at < r->end; i++) {
		unsigned char byte = *r->at++;

		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

static int skip(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->at))
		return -EBADMSG;
	r->at += n;
	return 0;
}

static int skip_field(struct reader *r, unsigned int wire)
{
	uint64_t n;

	switch (wire) {
	case WIRE_VARINT:
		return read_varint(&n, r);
	case WIRE_FIXED64:
		return skip(r, 8);
	case WIRE_BYTES:
		return read_varint(&n, r) < 0 ? -EBADMSG : skip(r, n);
	case WIRE_FIXED32:
		return skip(r, 4);
	default: /* groups are long gone from protobuf */
		return -EBADMSG;
	}
}

int probe_grpc_response(uint64_t *ret_status, const void *data, size_t n)
{
	const unsigned char *header = data;
	struct reader r;
	uint64_t status = PROBE_GRPC_UNKNOWN, tag;
	uint32_t len;

	if (n < FRAME_HEADER || header[0] != 0)
		return -EBADMSG;
	len = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 |
	      header[4];
	if (len != n - FRAME_HEADER)
		return -EBADMSG;
	r = (struct reader){header + FRAME_HEADER, header + n};
	while (r.at < r.end) {
		if (read_varint(&tag, &r) < 0 || tag >> 3 == 0)
			return -EBADMSG;
		if (tag == (FIELD_STATUS << 3 | WIRE_VARINT)) {
			if (read_varint(&status, &r) < 0)
				return -EBADMSG;
		} else if (skip_field(&r, tag & 7) < 0) {
			return -EBADMSG;
		}
	}
	*ret_status = status;
	return 0;
}

/* ---- as a check ---- */

static int prepare(struct probe *p, const json_t *request)
{
	static const char *const fixed[] = {"Content-Type: application/grpc", "TE: trailers",
					    "Expect:"};
	const char *agent = json_path_str(request, "userAgent", "kube-probe/recond");
	autofree char *agent_line = mem_asprintf("User-Agent: %s", agent);
	autostrbuf frame = STRBUF_INIT;

	p->grpc_status = -1;
	if (probe_grpc_request(&frame, json_path_str(request, "service", "")) < 0 ||
	    !probe_header_valid("User-Agent", agent)) {
		strbuf_adds(&p->message, "error: the name of the service is too long");
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		p->headers = curl_slist_append(p->headers, fixed[i]);
	p->headers = curl_slist_append(p->headers, agent_line);
	p->url = mem_asprintf("http://%s/grpc.health.v1.Health/Check", p->address);
	(void)curl_easy_setopt(p->easy, CURLOPT_URL, p->url);
	(void)curl_easy_setopt(p->easy, CURLOPT_HTTP_VERSION,
			       (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	(void)curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE, (long)frame.len);
	(void)curl_easy_setopt(p->easy, CURLOPT_COPYPOSTFIELDS, frame.data);
	(void)curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
	return 0;
}

/* The value of the header line when it is NAME's, or NULL; *RET_N its length. */
static const char *value_of(const char *line, size_t n, const char *name, size_t *ret_n)
{
	size_t skipped = strlen(name);

	if (n <= skipped || line[skipped] != ':' || strncasecmp(line, name, skipped) != 0)
		return NULL;
	for (skipped++; skipped < n && line[skipped] == ' ';)
		skipped++;
	*ret_n = n - skipped;
	return line + skipped;
}

static void header(struct probe *p, const char *line, size_t n)
{
	autofree char *text = NULL;
	const char *value;
	uint64_t status;
	size_t len;

	value = value_of(line, n, "grpc-status", &len);
	if (value) {
		text = mem_strndup(value, len);
		if (str_parse_u64(&status, text, 0, GRPC_CODE_MAX) == 0)
			p->grpc_status = (int)status;
		return;
	}
	value = value_of(line, n, "grpc-message", &len);
	if (!value || p->grpc_message)
		return;
	p->grpc_message = mem_strndup(value, len < MESSAGE_MAX ? len : MESSAGE_MAX);
}

static int judge_transfer(struct probe *p, CURLcode code)
{
	long connected = 0;

	(void)curl_easy_getinfo(p->easy, CURLINFO_NUM_CONNECTS, &connected);
	if (code == CURLE_OPERATION_TIMEDOUT && connected > 0) {
		strbuf_addf(&p->message, "timeout: health rpc did not complete within %gs",
			    (double)p->timeout_ms / 1000);
		return 0;
	}
	if (code == CURLE_OPERATION_TIMEDOUT)
		strbuf_addf(&p->message,
			    "timeout: failed to connect service \"%s\" within %gs: ", p->address,
			    (double)p->timeout_ms / 1000);
	else
		strbuf_adds(&p->message, "error: health rpc probe failed: rpc error: code = "
					 "Unavailable desc = ");
	probe_add_failure(p, &p->message, code);
	return 0;
}

static int judge_status(struct probe *p)
{
	const char *text = p->grpc_message ? p->grpc_message : "";

	if (p->grpc_status == CODE_UNIMPLEMENTED)
		strbuf_addf(&p->message,
			    "error: this server does not implement the grpc health protocol "
			    "(grpc.health.v1.Health): %s",
			    text);
	else if (p->grpc_status == CODE_DEADLINE_EXCEEDED)
		strbuf_addf(&p->message, "timeout: health rpc did not complete within %gs",
			    (double)p->timeout_ms / 1000);
	else
		strbuf_addf(&p->message,
			    "error: health rpc probe failed: rpc error: code = %s desc = %s",
			    code_names[p->grpc_status], text);
	return 0;
}

static int judge(struct probe *p, CURLcode code)
{
	uint64_t status;
	char number[24];
	long http = 0;

	if (code != CURLE_OK)
		return judge_transfer(p, code);
	(void)curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &http);
	if (p->grpc_status > 0)
		return judge_status(p);
	if (http != 200 || p->grpc_status < 0 ||
	    probe_grpc_response(&status, strbuf_str(&p->body), p->body.len) < 0) {
		strbuf_addf(
			&p->message,
			"error: health rpc probe failed: the answer is no gRPC (HTTP status %ld)",
			http);
		return 0;
	}
	if (status == PROBE_GRPC_SERVING)
		return 1;
	strbuf_addf(&p->message, "service unhealthy (responded with \"%s\")",
		    probe_grpc_name(number, status));
	return 0;
}

const struct probe_kind probe_grpc = {
	.name = "grpc",
	.prepare = prepare,
	.header = header,
	.judge = judge,
};
