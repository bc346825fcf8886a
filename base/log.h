/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines: a level, a constant message and key=value fields. Goes to stderr as text,
 * or, when stderr is connected to the journal, there as fields. Foreign values are escaped.
 * Never give it secrets or environment. Who handles an error logs it, once; base, watch, runtime
 * and builder log at debug only.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_level {
	LOG_LEVEL_ERROR, /* someone must act */
	LOG_LEVEL_WARN,  /* degraded, retrying */
	LOG_LEVEL_INFO,  /* a state changed */
	LOG_LEVEL_DEBUG, /* all else */
	LOG_LEVEL_N_,
};

struct log_kv {
	const char *key; /* lower_case; becomes RECOND_<KEY> in the journal */
	const char *value;
};

#define LOG_KV(k, v) ((struct log_kv){(k), (v)})

/* Lines above LEVEL are dropped. The default is info. */
void log_set_level(enum log_level level);
/* 0 and *ret for "error", "warn", "info", "debug"; -EINVAL otherwise. */
int log_level_parse(enum log_level *ret, const char *name);
bool log_enabled(enum log_level level);

/* Where a line comes from, for the journal. */
struct log_place {
	const char *file, *function;
	int line;
};

/* Write one line; KVS ends with a NULL key. Use the macros. Keeps errno. */
void log_write(enum log_level level, const struct log_place *place, const char *message,
	       const struct log_kv *kvs);

#define log_at_(level, message, ...)                                                               \
	log_write(level, &(const struct log_place){__FILE__, __func__, __LINE__}, message,         \
		  (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL}})
#define log_error(message, ...) log_at_(LOG_LEVEL_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(message, ...) log_at_(LOG_LEVEL_WARN, message __VA_OPT__(, ) __VA_ARGS__)
#define log_info(message, ...) log_at_(LOG_LEVEL_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(message, ...) log_at_(LOG_LEVEL_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)
#define LOG_ERR(e) LOG_KV("error", (e)->message)
