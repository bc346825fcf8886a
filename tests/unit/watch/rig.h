/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source on a real loop, with real inotify, real workers and a fresh directory. Nothing here
 * sleeps for luck: a test waits for a condition until a deadline, and shows that something does NOT
 * act by doing something else after it that does (a fence), or by waiting for the scan that found
 * nothing new.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "watch/source.h"

#define RIG_DEADLINE_MS 20000

struct rig {
	sd_event *loop;
	char *top; /* removed at the end */
	char *dir; /* top/src, the folder or repository under test */
	struct watch_source *src;
	struct revision *rev; /* the newest */
	unsigned n_revisions;
	unsigned n_problems; /* the end of one counts too */
	struct err problem;  /* code 0: none */
	struct strlist notices;
};

/* Make TOP; the source is started by rig_watch(). */
void rig_init(struct rig *rig);
void rig_deinit(struct rig *rig);

/* Start SPEC (NULL: the directory) with O (may be NULL). */
void rig_watch(struct rig *rig, const char *spec, const struct watch_options *o);
/* The same, and wait for the first revision. */
void rig_watch_first(struct rig *rig, const char *spec, const struct watch_options *o);

/* Run the loop until there are N revisions in all; fails the test at the deadline. */
void rig_wait_revisions(struct rig *rig, unsigned n);
/* Run the loop until FN says true. */
void rig_wait(struct rig *rig, bool (*fn)(struct rig *rig, const void *arg), const void *arg,
	      const char *what);
/* Until the newest revision has the path ARG / has it no more. */
bool rig_has(struct rig *rig, const void *path);
bool rig_lacks(struct rig *rig, const void *path);
/* Until a notice contains ARG; until there is a problem with reason ARG; until there is none. */
bool rig_noticed(struct rig *rig, const void *part);
bool rig_problem(struct rig *rig, const void *reason);
bool rig_no_problem(struct rig *rig, const void *unused);
/* Until ARG (unsigned) scans were made and the source is idle. */
bool rig_scanned(struct rig *rig, const void *n);
unsigned rig_scans(struct rig *rig);
int64_t rig_stat(struct rig *rig, const char *key);

/* Files below DIR. */
void rig_write(struct rig *rig, const char *path, const char *text);
void rig_mkdir(struct rig *rig, const char *path);
void rig_rename(struct rig *rig, const char *from, const char *to);
void rig_symlink(struct rig *rig, const char *text, const char *path);
void rig_unlink(struct rig *rig, const char *path);
char *rig_path(struct rig *rig, const char *path);

/* Write "fence.txt" with new content and wait for the revision that has it; returns how many came.
 */
unsigned rig_fence(struct rig *rig);

/* Kept text of PATH in the newest revision, "(none)" when there is none. */
const char *rig_text(struct rig *rig, const char *path);
