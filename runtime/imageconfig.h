/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image may say about the containers made of it: an allow-list. Whatever is not a member of
 * struct imageconfig never gets further than this file, so nothing an image's author wrote can turn
 * into an annotation, a mount source or a hook. Each member is checked for form and size here.
 * Pure, part of the image fuzz target.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define IMAGECONFIG_MAX_BYTES (8u << 20)
#define IMAGECONFIG_MAX_ENV 1000
#define IMAGECONFIG_MAX_STRING (128u << 10) /* one Env, Cmd or Entrypoint string */
#define IMAGECONFIG_MAX_TOTAL (1u << 20)    /* all Env, or all of Cmd and Entrypoint */

struct imageconfig {
	struct strlist env; /* "NAME=value" */
	struct strlist entrypoint;
	struct strlist cmd;
	char *working_dir; /* absolute and clean; "/" when not given */
	char *user;        /* "", "name", "uid", "name:group", ...: see runtime/passwd.h */
	struct strlist exposed_ports; /* "80/tcp" */
	struct strlist volumes;       /* absolute, clean, never "/", /proc or /sys */
	int stop_signal;              /* 0 when not given */
	json_t *labels;               /* object of strings: to be shown, never to be acted on */
	char *architecture;
	char *os;
	char *created; /* RFC 3339 or "" */
};

/* Make C empty, without looking at what it held. */
void imageconfig_init(struct imageconfig *c);
/* Free the members; C is as after imageconfig_init(). Idempotent. */
void imageconfig_deinit(struct imageconfig *c);

/*
 * Read the configuration document DOC ({"config": {...}, "rootfs": ...}). 0 with *ret (initialised
 * by this function, released with imageconfig_deinit), or -EINVAL with ERR (kind invalid, reason
 * InvalidImage); *ret is untouched then.
 */
int imageconfig_parse(struct imageconfig *ret, const json_t *doc, struct err *err);

/* {"env": [...], "entrypoint": [...], "cmd": [...], "workingDir", "user", ...}: the allow-list as
 * JSON; owned. */
json_t *imageconfig_to_json(const struct imageconfig *c);

/* The checks one by one, also for builders: 0, or -EINVAL with ERR. */
int imageconfig_check_env(const char *assignment, struct err *err);
int imageconfig_check_user(const char *user, struct err *err);
int imageconfig_check_port(const char *port, struct err *err);
int imageconfig_check_path(const char *path, struct err *err); /* a WorkingDir or a volume */

/* The number of a signal given as "SIGTERM", "TERM" or "15", or -EINVAL. Realtime ones as
 * "SIGRTMIN+3". */
int imageconfig_parse_signal(const char *name);
