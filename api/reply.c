/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing answers: complete bodies, streams, and errors in Kubernetes' form. Nothing here knows
 * sockets or routes.
 */
#include "api/reply_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "api/render_priv.h"
#include "base/json.h"

#define MESSAGE_SIZE 2048

void reply_deinit(struct reply *r)
{
	strbuf_deinit(&r->body);
	json_decref(r->warnings);
	r->warnings = NULL;
	r->stream = stream_free(r->stream);
}

void reply_json(struct reply *r, json_t *j)
{
	r->status = 200;
	r->content_type = REPLY_JSON;
	strbuf_reset(&r->body);
	render_json(&r->body, j);
	json_decref(j);
}

void reply_text(struct reply *r, const char *text)
{
	r->status = 200;
	r->content_type = REPLY_TEXT;
	strbuf_reset(&r->body);
	strbuf_adds(&r->body, text);
}

void reply_stream(struct reply *r, const char *content_type, struct stream *s)
{
	assert(!r->stream);
	r->status = 200;
	r->content_type = content_type;
	r->stream = s;
}

json_t *reply_status(unsigned int code, const char *reason, const char *message)
{
	json_t *s = json_object();

	json_set(s, "kind", json_string("Status"));
	json_set(s, "apiVersion", json_string("v1"));
	json_set(s, "metadata", json_object());
	json_set(s, "status", json_string("Failure"));
	json_set(s, "message", json_text(message));
	json_set(s, "reason", json_string(reason));
	json_set(s, "code", json_integer((json_int_t)code));
	return s;
}

void reply_error(struct reply *r, unsigned int code, const char *reason, const char *fmt, ...)
{
	char message[MESSAGE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	reply_json(r, reply_status(code, reason, message));
	r->status = code;
}

void reply_refusal(struct reply *r, unsigned int code, const char *reason, const char *message,
		   const struct reply_subject *subject)
{
	json_t *status = reply_status(code, reason, message);
	json_t *details = json_object();

	json_set(details, "name", json_text(subject->name));
	if (*subject->group)
		json_set(details, "group", json_text(subject->group));
	json_set(details, "kind", json_text(subject->kind));
	if (subject->causes)
		json_set(details, "causes", json_incref(subject->causes));
	json_set(status, "details", details);
	reply_json(r, status);
	r->status = code;
}

void reply_not_found(struct reply *r, const char *group, const char *plural, const char *name)
{
	autofree char *message =
		mem_asprintf("%s%s%s \"%s\" not found", plural, *group ? "." : "", group, name);

	reply_refusal(r, 404, "NotFound", message,
		      &(struct reply_subject){.group = group, .kind = plural, .name = name});
}

void reply_no_resource(struct reply *r)
{
	reply_error(r, 404, "NotFound", "the server could not find the requested resource");
}
