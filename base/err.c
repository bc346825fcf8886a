/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing errors. Everything is written into a local buffer first, because callers may pass parts
 * of the error they are about to overwrite ("%s", err->message).
 */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[ERR_KIND_N_] = {
	[ERR_NONE] = "none",
	[ERR_TRANSIENT] = "transient",
	[ERR_INVALID] = "invalid",
	[ERR_FATAL] = "fatal",
};

const char *err_kind_name(enum err_kind kind)
{
	assert((unsigned)kind < ERR_KIND_N_);
	return kind_names[kind];
}

static int negative_errno(int code)
{
	if (code == 0)
		return -EIO;
	return code < 0 ? code : -code;
}

/* Errors of a busy or full host, or of a peer: they go away without anybody changing recond or its
 * input. */
static enum err_kind kind_of_errno(int code)
{
	switch (-code) {
	case EAGAIN:
	case EINTR:
	case EBUSY:
	case ETXTBSY:
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ESTALE:
	case EPIPE:
	case ETIMEDOUT:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
		return ERR_TRANSIENT;
	default:
		return ERR_FATAL;
	}
}

/* Step back from POS to the start of the UTF-8 sequence it lies in, so that a cut leaves no half
 * character. */
static size_t utf8_boundary(const char *s, size_t pos)
{
	size_t p = pos;

	while (p > 0 && pos - p < 3 && ((unsigned char)s[p] & 0xc0) == 0x80)
		p--;
	return p;
}

static void message_set(struct err *err, const char *prefix, const char *text)
{
	char buf[sizeof(err->message)];
	int n;

	n = snprintf(buf, sizeof(buf), "%s%s", prefix, text);
	assert(n >= 0);
	if ((size_t)n >= sizeof(buf)) {
		size_t cut = utf8_boundary(buf, sizeof(buf) - sizeof("..."));

		memcpy(buf + cut, "...", sizeof("..."));
	}
	memcpy(err->message, buf, strlen(buf) + 1);
}

/* One byte longer than a message, so that message_set() notices what vsnprintf() cut off. */
#define TEXT_SIZE (sizeof(((struct err *)0)->message) + 1)

__attribute__((format(printf, 2, 0))) static void text_format(char text[TEXT_SIZE], const char *fmt,
							      va_list ap)
{
	if (vsnprintf(text, TEXT_SIZE, fmt, ap) < 0)
		text[0] = '\0';
}

static void reason_set(struct err *err, const char *reason)
{
	char buf[sizeof(err->reason)];

	(void)snprintf(buf, sizeof(buf), "%s", reason ? reason : "");
	memcpy(err->reason, buf, sizeof(buf));
}

int err_set(struct err *err, enum err_kind kind, int code, const char *reason, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	assert(kind > ERR_NONE && kind < ERR_KIND_N_);
	code = negative_errno(code);
	if (!err)
		return code;
	va_start(ap, fmt);
	text_format(text, fmt, ap);
	va_end(ap);
	reason_set(err, reason);
	message_set(err, "", text);
	err->kind = kind;
	err->code = code;
	return code;
}

int err_errno(struct err *err, int code, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	const char *what;
	char unknown[32];
	va_list ap;

	code = negative_errno(code);
	if (!err)
		return code;
	va_start(ap, fmt);
	text_format(text, fmt, ap);
	va_end(ap);
	what = strerrordesc_np(-code);
	if (!what) {
		(void)snprintf(unknown, sizeof(unknown), "errno %d", -code);
		what = unknown;
	}
	/* The cause must survive even when the text in front of it is longer than a message. */
	if (strlen(text) + strlen(": ") + strlen(what) >= sizeof(err->message)) {
		size_t room = sizeof(err->message) - 1 - strlen("...: ") - strlen(what);

		memcpy(text + utf8_boundary(text, room), "...", sizeof("..."));
	}
	return err_set(err, kind_of_errno(code), code, NULL, "%s: %s", text, what);
}

int err_invalid(struct err *err, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	text_format(text, fmt, ap);
	va_end(ap);
	return err_set(err, ERR_INVALID, -EINVAL, NULL, "%s", text);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	char inner[sizeof(err->message)];
	char prefix[TEXT_SIZE + 2];
	va_list ap;

	if (!err || err->kind == ERR_NONE)
		return -EIO;
	va_start(ap, fmt);
	text_format(text, fmt, ap);
	va_end(ap);
	(void)snprintf(prefix, sizeof(prefix), "%s: ", text);
	memcpy(inner, err->message, sizeof(inner));
	message_set(err, prefix, inner);
	return err->code;
}

int err_reason(struct err *err, const char *reason)
{
	if (!err || err->kind == ERR_NONE)
		return -EIO;
	if (err->reason[0] == '\0')
		reason_set(err, reason);
	return err->code;
}
