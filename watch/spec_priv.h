/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a SPEC on the command line means, and the file its digest cache is kept in.
 */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "watch/source_priv.h"

/* Fill spec, path, branch and name of SRC. 0, or -EINVAL with ERR. */
int spec_parse(struct watch_source *src, const char *spec, struct err *err);
/* Decide SRC's kind, again until the first revision: a bare repository may still be on its way. 0,
 * or negative. */
int spec_recognise(struct watch_source *src, struct err *err);

/* "scan-<16 hex digits>.cache". Owned by the caller. */
char *spec_cache_name(const char *path);
int spec_cache_read(struct strbuf *ret, int dirfd, const char *name);
int spec_cache_write(int dirfd, const char *name, const struct strbuf *cache);
