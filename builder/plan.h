/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a parsed Dockerfile, a context listing and the base images to the steps of a build, each
 * with what its cache key is made of. Pure: the same inputs give the same plan on every host. Only
 * stages that the target needs are planned; an error in another one does not surface.
 *
 * Keys come in two kinds. A step's key is the digest of its definition and of the layers below it
 * (their diff_ids), and, for COPY --from, of the content it takes: so a step that gives the same
 * layer as before does not invalidate what follows. The plan's key is the digest of everything the
 * image depends on and is known before anything runs.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "builder/context.h"
#include "builder/diag.h"
#include "builder/dockerfile.h"
#include "builder/scope.h"

#define PLAN_MAX_STAGES 128
#define PLAN_MAX_STEPS 1000

/* A base image in the local store. */
struct plan_base {
	const char *reference;  /* as the Dockerfile writes it, expanded */
	const char *digest;     /* of its manifest */
	const json_t *document; /* its whole configuration */
};

struct plan_input {
	const struct dockerfile *file;
	const struct context *context;
	const char *target;            /* stage name, any case; NULL or "": the last stage */
	const json_t *build_args;      /* object of strings, or NULL */
	const char *platform;          /* "linux/amd64": the only one that can be built */
	bool host_network;             /* RUN steps get the host's network instead of none */
	const struct plan_base *bases; /* all that plan_bases() named */
	size_t n_bases;
};

enum plan_origin_kind {
	PLAN_SCRATCH,
	PLAN_CONTEXT,
	PLAN_STAGE,
	PLAN_IMAGE,
};

/* Where a stage starts from, or where COPY takes files. */
struct plan_origin {
	enum plan_origin_kind kind;
	size_t stage;    /* PLAN_STAGE */
	char *reference; /* PLAN_IMAGE */
};

enum plan_op {
	PLAN_RUN,
	PLAN_COPY,
	PLAN_WORKDIR,
	PLAN_OP_N_,
};

/* A step makes exactly one layer. */
struct plan_step {
	enum plan_op op;
	unsigned line;
	char *text; /* the instruction, for people */
	char definition[DIGEST_STR_SIZE];
	char *cwd;           /* RUN: working directory; WORKDIR: the directory; absolute, clean */
	char *user;          /* as USER said; "" is root */
	struct strlist argv; /* RUN */
	struct strlist env;
	bool host_network;
	struct plan_origin from; /* COPY: context, stage or image */
	struct strlist sources;  /* COPY: clean paths and patterns relative to the origin's root */
	char *dest;              /* COPY: absolute; a final "/" means a directory */
	char *chown;             /* or NULL */
	bool has_chmod;
	unsigned chmod; /* COPY: mode bits when has_chmod */
};

/* One line of the image's history; lines that are not empty belong to the steps in order. */
struct plan_history {
	char *created_by;
	bool empty_layer;
};

struct plan_stage {
	char *name;    /* lower case, or NULL */
	unsigned line; /* of its FROM */
	size_t first;  /* its instructions in the file, FROM excluded */
	size_t last;   /* one behind */
	bool needed;

	struct plan_origin from;
	struct plan_origin *copies; /* of its COPY --from instructions, in order */
	size_t n_copies;
	struct scope scope; /* at its end */
	struct plan_step *steps;
	size_t n_steps;
	size_t steps_cap;
	struct plan_history *history; /* its own, without the inherited part */
	size_t n_history;
	size_t history_cap;
};

struct build_plan {
	struct plan_stage *stages;
	size_t n_stages;
	size_t target;
	json_t *globals;
	bool has_epoch; /* SOURCE_DATE_EPOCH was given */
	int64_t epoch_s;
	struct strlist
		proxy_env; /* of undeclared proxy build arguments: RUN sees it, no key does */
	char key[DIGEST_STR_SIZE]; /* of everything */
};

/* Append the references of the images the target needs, each once. 0, or -EINVAL with errors in D.
 */
int plan_bases(struct strlist *ret, const struct plan_input *in, struct diag *d);

/* Make the plan. 0 with *ret (owned by the caller; independent of IN), or -EINVAL with errors in D.
 */
int plan_new(struct build_plan **ret, const struct plan_input *in, struct diag *d);

/* NULL is fine; returns NULL. */
struct build_plan *build_plan_free(struct build_plan *p);
DEFINE_FREEP(struct build_plan, build_plan_free)

/* Number of steps of all needed stages. */
size_t plan_count_steps(const struct build_plan *p);

/*
 * The cache key of STEP on top of layers with the chain id BELOW ("" when there are none). CONTENT:
 * the digest of what a COPY --from takes, else NULL.
 */
void plan_step_key(char ret[DIGEST_STR_SIZE], const struct plan_step *step, const char *below,
		   const char *content);

/* The chain id of a layer DIFF_ID on top of BELOW, as the OCI image specification defines it. RET
 * may be BELOW. */
void plan_chain(char ret[DIGEST_STR_SIZE], const char *below, const char *diff_id);
