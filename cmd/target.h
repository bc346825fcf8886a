/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects a command line means, and the API path of them.
 */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "cmd/command.h"
#include "reconciler/kind.h"

#define TARGET_MAX 64

/* One thing to ask for: all objects of a kind, or one of them. */
struct target {
	enum kind kind;
	const char *name; /* NULL: all of the kind */
};

struct target_list {
	struct target items[TARGET_MAX];
	size_t n;
	bool single_kind;
};

/*
 * Read "KIND[,KIND...] [NAME...]" or "KIND/NAME..." (or "all") out of ARGS. 0 with *ret, whose
 * names are borrowed from ARGS, or -EINVAL with ERR.
 */
int target_parse(struct target_list *ret, const char *const *args, size_t n_args, struct err *err);

/* Append the path of T in namespace NS (NULL: all namespaces). */
void target_add_path(struct strbuf *out, const struct target *t, const char *ns);

/* Append "?NAME=VALUE" or "&NAME=VALUE" to a path, encoded. NULL and "" VALUE adds nothing. */
void target_add_query(struct strbuf *out, const char *name, const char *value);

/* "pod/NAME", "deployment.apps/NAME". Owned by the caller. */
char *target_describe(enum kind kind, const char *name);
