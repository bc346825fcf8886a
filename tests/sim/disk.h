/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk for the store in memory: takes the place of the store's SQLite half at link time, keeps
 * what was committed and nothing else, and refuses or loses commits when told to. Ten thousand
 * stories with crashes would wait for fsync otherwise; SQLite itself has tests of its own.
 */
#pragma once

#include <stdbool.h>

struct disk;

enum disk_verdict {
	DISK_KEEP, /* the commit is durable */
	DISK_DROP, /* the process was killed before: nobody sees what commit returned */
	DISK_FAIL, /* an I/O error, which commit returns */
};

/* Called before each commit that has rows to write. */
typedef enum disk_verdict (*disk_commit_fn)(void *data);

/* An empty disk, asking FN at each commit. / Free it; NULL is fine, returns NULL. */
struct disk *disk_new(disk_commit_fn fn, void *data);
struct disk *disk_free(struct disk *d);

/* Every N-th commit of any disk is said to be durable, but is not: what no disk may do. */
void disk_lie(unsigned int n);

/* The text of the object, NULL when there is none. Borrowed. */
const char *disk_object(const struct disk *d, const char *kind, const char *ns, const char *name);

/* The disk that the next store_open with a path opens, whatever the path. */
void disk_insert(struct disk *d);
