/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of one read by recond-scan or recond-git: starts the worker, answers it, and
 * collects what it says into a revision under construction.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "watch/revision_priv.h"

struct reader;

struct reader_spec {
	const char *program;
	json_t *request;            /* borrowed */
	int pass_fd;                /* fd 4 of the worker, borrowed; -1 none */
	const struct strbuf *cache; /* of the run before, borrowed */
	struct revision *seen; /* what was read last: donor of kept text and of files that are busy;
				  or NULL */
	size_t max_entries;
	/* Watch DIRS before this returns; may be NULL. */
	void (*on_dirs)(const json_t *dirs, void *data);
	/* The end, exactly once; R is negative when ERR says why there is nothing. The callback
	 * frees RD. */
	void (*on_end)(struct reader *rd, int r, const struct err *err, void *data);
	void *data;
};

/* Start. 0 with *ret, or negative errno with ERR and no callback. */
int reader_start(struct reader **ret, sd_event *loop, const struct reader_spec *spec,
		 struct err *err);
struct reader *reader_free(struct reader *rd);
DEFINE_FREEP(struct reader, reader_free)

/* After a good end; all borrowed from RD. */
struct revision_builder *reader_builder(struct reader *rd);
const json_t *reader_result(const struct reader *rd);
const struct strlist *reader_notes(const struct reader *rd);
/* True when the worker sent a new cache; it is moved to RET. */
bool reader_take_cache(struct reader *rd, struct strbuf *ret);
