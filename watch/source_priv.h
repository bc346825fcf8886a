/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source, inside: the one life cycle that folders and git repositories share (source.c), and what
 * differs between them as a table of functions (folder.c, git.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "watch/debounce_priv.h"
#include "watch/dirwatch_priv.h"
#include "watch/reader_priv.h"
#include "watch/source.h"

enum source_state {
	SOURCE_IDLE,     /* nothing to do until something happens */
	SOURCE_SETTLING, /* something happened: waiting until it is quiet */
	SOURCE_READING,  /* a worker reads */
	SOURCE_STATE_N_,
};

enum source_begin {
	SOURCE_BEGIN_READING,   /* src->reader was started */
	SOURCE_BEGIN_UNCHANGED, /* what there is has been read already */
};

struct source_kind {
	enum revision_kind kind;
	/* Renew the watches and start reading: an outcome above, or negative errno with ERR. */
	int (*begin)(struct watch_source *src, struct err *err);
	/* True when an inotify event may mean a new revision. */
	bool (*concerns)(const struct watch_source *src, uint32_t mask, const char *name);
	/* The reader ended well: last words about RESULT. Negative with ERR to refuse REV.
	 * May be NULL. */
	int (*check)(struct watch_source *src, const struct revision *rev, const json_t *result,
		     struct err *err);
	/* True when REV, just read, is what was published last. */
	bool (*same)(const struct revision *published, const struct revision *rev);
	/* The id of what is being read, or NULL for the tree digest. */
	const char *(*id)(const struct watch_source *src);
};

extern const struct source_kind source_folder;
extern const struct source_kind source_git;

struct watch_source {
	sd_event *loop;
	struct watch_options o;
	struct watch_callbacks cb;
	void *data;
	char *spec;
	char *path;   /* absolute, clean */
	char *branch; /* without refs/heads/; NULL: HEAD's, or a folder */
	char *name;
	const struct source_kind *kind;

	enum source_state state;
	bool *freed;           /* set when a callback frees us */
	struct debounce burst; /* events since the tree was last known to be settled */
	unsigned n_events;     /* ever */
	unsigned n_events_at_begin;
	sd_event_source *settle; /* while settling */
	sd_event_source *later;  /* while idle: poll, retry, safety rescan */
	struct dirwatch *watch;
	bool polling;      /* inotify does not suffice */
	bool watch_failed; /* in the round going on */
	struct reader *reader;
	struct strbuf cache;
	struct revision *published;
	struct revision *seen;      /* read last, published or not */
	struct revision *candidate; /* lacks paths: to be confirmed by a second look */
	unsigned n_confirm;
	uint64_t busy_since_ms;     /* first look that found a manifest being written; 0 none */
	uint64_t checkout_since_ms; /* first look that found a git checkout going on; 0 none */

	struct err problem; /* code 0: none */
	unsigned n_failed;  /* in a row */
	struct strlist said;
	unsigned n_scans;
	unsigned n_overflows;

	/* folder */
	int root_fd;
	bool hidden; /* symlinks lead through dotfiles: their events count */
	dev_t root_dev;
	ino_t root_ino;

	/* git */
	char *git_dir;
	char *commit; /* being read */
	char *head;   /* branch HEAD named last */
};

/* Something happened to the tree: look at it when it is quiet. */
void source_event(struct watch_source *src, enum debounce_kind kind);
/* Say TEXT through on_notice unless it was said before. False when the callback freed SRC. */
bool source_say(struct watch_source *src, const char *text);
/* Add the directory behind FD (may be a negative errno) to this round's watches; failures make us
 * poll. */
void source_watch(struct watch_source *src, int fd);
/* PATH is not there: watch its nearest ancestor that is, so that its coming is noticed. */
void source_watch_ancestor(struct watch_source *src, const char *path);
/* Start recond-scan or recond-git for SRC. */
int source_read(struct watch_source *src, const char *program, json_t *request, int pass_fd,
		void (*on_dirs)(const json_t *dirs, void *data), struct err *err);

/* True when the directory PATH is a git directory: HEAD, objects and refs lie in it. */
bool git_is_dir(const char *path);
/* A name that git allows for a branch and that is harmless as a path beneath refs/heads. */
bool git_branch_valid(const char *name);
