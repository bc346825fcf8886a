/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in force at one line of a stage: the image configuration so far and the variables. The
 * instructions that only change this are applied here, so that everything the configuration of an
 * image can come from is in one file.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "builder/diag.h"
#include "builder/expand.h"
#include "builder/instr.h"

#define SCOPE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct scope {
	json_t *config; /* the member "config" of an OCI image configuration */
	json_t *vars;   /* name → value: ENV and ARG, whichever came last */
	json_t *args;   /* name → value of the ARGs that have one, in order of declaration */
	char *author;   /* MAINTAINER, or NULL */
	bool has_cmd;   /* this stage said CMD: a later ENTRYPOINT keeps it */
	char escape;
	const json_t *build_args; /* from the command line; borrowed, may be NULL */
	const json_t
		*globals; /* ARGs before the first FROM and automatic ones; borrowed, may be NULL */
};

/*
 * Start a stage from the configuration document of its base image, or from nothing (DOCUMENT NULL).
 * ESCAPE is the file's; the two borrowed members are set by the caller.
 */
void scope_init(struct scope *s, const json_t *document, char escape);

/* Start a stage from where the stage FROM ended. */
void scope_init_from(struct scope *s, const struct scope *from);

/* Drop what the scope owns; idempotent. */
void scope_deinit(struct scope *s);

/* The words of an instruction are expanded with this. Valid while S is. */
struct expand scope_expand(struct scope *s);

/*
 * Apply one instruction that makes no layer (and what WORKDIR says to the configuration). 0 with
 * the text for the image's history (owned by the caller), or -EINVAL with errors in D. Asserts that
 * IN is such an instruction.
 */
int scope_apply(char **ret_history, struct scope *s, const struct instr *in, struct diag *d);

/* Apply the ARG instruction to the GLOBALS object that is being built, before the first FROM. As
 * scope_apply. */
int scope_apply_global_arg(json_t *globals, const json_t *build_args, const struct instr *in,
			   char escape, struct diag *d);

/* The working directory: absolute, clean. Owned by the caller. */
char *scope_workdir(const struct scope *s);

/* User as configured, borrowed; "" is root. */
const char *scope_user(const struct scope *s);

/* The command line of a RUN, CMD or ENTRYPOINT: shell form is wrapped in the SHELL in force. */
void scope_command(struct strlist *ret, const struct scope *s, const struct instr *in);

/* The environment of a RUN: ENV and ARG in order, "NAME=value". */
void scope_environment(struct strlist *ret, const struct scope *s);
