/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon and the dry run are told: flags and the configuration file, one table for both.
 * Flags win over the file; sources on the command line replace those of the file and of its sources
 * directory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define OPTIONS_DEFAULT_CONFIG "/etc/recond/recond.conf"
#define OPTIONS_DEFAULT_SOURCES_DIR "/etc/recond/sources.d"
#define OPTIONS_DEFAULT_STATE_DIR "/var/lib/recond"
#define OPTIONS_DEFAULT_RUN_DIR "/run/recond"
#define OPTIONS_DEFAULT_BRIDGE "recond0"
#define OPTIONS_DEFAULT_CGROUP_PARENT "/recond"
#define OPTIONS_DEFAULT_POD_CIDR "10.88.0.0/16"
#define OPTIONS_DEFAULT_SOCKET_GROUP "recond"
#define OPTIONS_DEFAULT_IMAGE_GC "85:80"

/* What to do. */
enum options_mode {
	OPTIONS_DAEMON,
	OPTIONS_DRY_RUN,
	OPTIONS_CHECK_CONFIG,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_MODE_N_
};

/* All strings are owned and never NULL after options_parse; paths are absolute and clean. */
struct options {
	enum options_mode mode;
	char *config;      /* the file that was read; "" when there was none */
	char *sources_dir; /* where Source files lie; "" when sources on the command line replace
			      them */
	bool sources_dir_given; /* then it has to be there */
	char *state_dir;
	char *run_dir;      /* default: /run/recond, or STATE_DIR/run for another state directory */
	char *socket;       /* default: RUN_DIR/recond.sock */
	char *socket_group; /* may not exist on the host: then the socket is for root alone */
	char *bridge;
	char *cgroup_parent;        /* "/recond": what the pods' control groups are made below */
	char *pod_cidr;             /* "10.88.0.0/16", IPv4, host bits zero */
	unsigned int image_gc_high; /* percent of the file system from which images are collected;
				       100: never */
	unsigned int image_gc_low;  /* and down to which */
	enum log_level log_level;
	char *confirm_prune;    /* a revision whose deletions are confirmed; "" for none */
	bool output_json;       /* -o json of a dry run */
	struct strlist sources; /* absolute: PATH, PATH#BRANCH */
};
#define autooptions __attribute__((cleanup(options_deinit))) struct options

/* Free what O holds; idempotent. */
void options_deinit(struct options *o);

/*
 * Read flags (ARGV[0] is the program) and, when there is one, the configuration file: --config,
 * else OPTIONS_DEFAULT_CONFIG if it exists. 0 with *ret, or negative errno with ERR: invalid for
 * wrong flags or a wrong file, whose message begins "FILE:LINE: "; the caller exits with status 2.
 */
int options_parse(struct options *ret, int argc, char **argv, struct err *err);

/*
 * Apply the text of a configuration file, called NAME in errors: lines "key = value", "#" comments;
 * keys are the names of flags, and "source". 0, or -EINVAL with ERR: all errors, each on a line of
 * its own. For tests; options_parse calls it.
 */
int options_parse_file(struct options *o, const char *name, const char *text, size_t n,
		       struct err *err);

/* One flag; for help, completions and the check of the manual page. */
struct options_flag {
	char letter; /* 0: none */
	const char *name;
	const char *value; /* NULL: a switch */
	const char *help;
	bool in_file; /* may stand in the configuration file */
};

/* All flags, *RET_N of them. */
const struct options_flag *options_flags(size_t *ret_n);
