/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error value that travels upwards beside a negative return code. It is plain data: nothing to
 * free, may be copied and thrown away. The kind tells a controller what to do next, the reason
 * becomes the reason of a Condition or an Event, the message is for people.
 */
#pragma once

#include <errno.h>

enum err_kind {
	ERR_NONE,      /* no error recorded */
	ERR_TRANSIENT, /* the same call may succeed later: retry with back-off */
	ERR_INVALID,   /* the input is wrong: wait for a new one */
	ERR_FATAL,     /* the host or recond itself is broken: stop and say so */
	ERR_KIND_N_,
};

struct err {
	enum err_kind kind;
	int code;           /* negative errno */
	char reason[64];    /* CamelCase, e.g. "ErrImagePull"; "" when nobody named one */
	char message[2048]; /* lower case, no full stop; cut with "..." when longer */
};

/* The stable name of KIND ("transient", ...). */
const char *err_kind_name(enum err_kind kind);

/*
 * Record an error: KIND, CODE (positive or negative errno, stored negative), REASON (may be NULL)
 * and a printf message. ERR may be NULL (nothing recorded). Returns the negative code, so `return
 * err_set(...)`.
 */
int err_set(struct err *err, enum err_kind kind, int code, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Record a failed system call: CODE is an errno of either sign; the message is "<fmt>: <strerror>";
 * the kind is derived from the errno (EAGAIN, ENOSPC, EMFILE, ... are transient, the others fatal).
 * Returns the negative code.
 */
int err_errno(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Record invalid input with -EINVAL and no reason. Returns -EINVAL. */
int err_invalid(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Put "<fmt>: " before the message; kind, code and reason stay. Called once per layer on the way
 * up. Returns err->code (or -EIO when ERR is NULL or empty), so `return err_wrap(...)`.
 */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Name the reason of ERR unless a deeper layer already did. Returns err->code. */
int err_reason(struct err *err, const char *reason);
