/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "USER" of an image or a pod → numbers, by /etc/passwd and /etc/group inside the root file system,
 * as runc and Docker read them. Our own parser: no NSS, regular files of at most 1 MiB only, opened
 * in the root.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define PASSWD_MAX_BYTES (1u << 20)
#define PASSWD_MAX_GROUPS 1024

struct passwd_ids {
	uid_t uid;
	gid_t gid;
	gid_t groups[PASSWD_MAX_GROUPS]; /* supplementary, in the file's order, without gid */
	size_t n_groups;
	char home[256]; /* of the entry, when absolute and free of control characters; "/" otherwise
			 */
};

/*
 * Resolve SPEC: "" (root), "uid", "uid:gid", "name", "name:group" and mixtures. Numbers are strict
 * decimals up to 2^32 - 2 and need no entry; a number with an entry takes group and supplementary
 * groups from it. A group that is given leaves no supplementary groups. 0 and *ret, or -EINVAL with
 * ERR (kind invalid, reason InvalidUser).
 */
int passwd_resolve(struct passwd_ids *ret, int root_fd, const char *spec, struct err *err);

/* The pure part: PASSWD and GROUP are the files' texts, "" when missing. */
int passwd_resolve_text(struct passwd_ids *ret, const char *passwd, const char *group,
			const char *spec, struct err *err);

/* Parse a strict 32-bit id: digits only, no leading zero, at most 2^32 - 2. 0 and *ret or -EINVAL.
 */
int passwd_parse_id(uid_t *ret, const char *s);
