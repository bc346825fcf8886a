/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a branch of a repository on this host points to: HEAD, loose refs and packed-refs, read by
 * hand. It is a few lines, bounded, and spares the daemon a worker (and libgit2's 47 ms to start)
 * for each push to another branch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GITREF_OID_SIZE 41 /* 40 hex digits and a NUL */

enum gitref {
	GITREF_MISSING, /* no such branch (or none yet) */
	GITREF_FOUND,
};

/* True for exactly 40 lower-case hex digits. */
bool gitref_oid_valid(const char *oid);

/*
 * The commit that BRANCH (without refs/heads/) of the repository behind GIT_DIRFD points to: an
 * outcome above with OID, or negative errno with ERR (UnsupportedRepository for SHA-256 and
 * reftable repositories).
 */
int gitref_read(char oid[GITREF_OID_SIZE], int git_dirfd, const char *branch, struct err *err);

/* The branch that HEAD names. 0 with *ret (owned), or negative errno with ERR (also when HEAD names
 * a commit). */
int gitref_head(char **ret, int git_dirfd, struct err *err);

/* Look REF ("refs/heads/x") up in LEN bytes of a packed-refs file. An outcome above, or -EINVAL
 * when it is malformed. */
int gitref_parse_packed(char oid[GITREF_OID_SIZE], const char *text, size_t len, const char *ref);
/* Parse a loose ref's text. 0 with OID, 1 with *ret_symbolic (owned) for "ref: ...", or -EINVAL. */
int gitref_parse_loose(char oid[GITREF_OID_SIZE], char **ret_symbolic, const char *text,
		       size_t len);
