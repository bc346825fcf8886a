/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: which directories, which events, and no meaning yet. What an event means is decided by
 * each kind of source.
 */
#include "watch/dirwatch_priv.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Never IN_MODIFY: a file counts when it is closed. IN_CREATE for directories, symlinks and hard
 * links. */
#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |        \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

#define BUFFER_BYTES (64u << 10)
#define READS_PER_TURN 16 /* then let the rest of the loop have its turn */

struct item {
	int wd;
	unsigned round;
};

struct dirwatch {
	int fd;
	sd_event_source *io;
	size_t max;
	dirwatch_fn fn;
	void *data;
	struct item *items; /* sorted by wd; the kernel counts upwards, so new ones mostly go to the
			       end */
	size_t n;
	size_t cap;
	unsigned round;
	bool *freed; /* set when the callback frees us */
};

static size_t position(const struct dirwatch *w, int wd)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->items[mid].wd < wd)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct item *find(const struct dirwatch *w, int wd)
{
	size_t i = position(w, wd);

	return i < w->n && w->items[i].wd == wd ? &w->items[i] : NULL;
}

static void forget(struct dirwatch *w, int wd)
{
	struct item *item = find(w, wd);

	if (!item)
		return;
	memmove(item, item + 1, (size_t)(w->items + w->n - (item + 1)) * sizeof(*item));
	w->n--;
}

/* False when the callback freed W. */
static bool deliver(struct dirwatch *w, const struct inotify_event *ev)
{
	bool freed = false;

	if (ev->mask & IN_IGNORED) {
		forget(w, ev->wd);
		return true;
	}
	/* What is left in the queue of a directory that is not watched any more. */
	if (!(ev->mask & IN_Q_OVERFLOW) && !find(w, ev->wd))
		return true;
	w->freed = &freed;
	w->fn(ev->mask, ev->len > 0 ? ev->name : "", w->data);
	if (!freed)
		w->freed = NULL;
	return !freed;
}

static int on_readable(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED,
		       void *data)
{
	struct dirwatch *w = data;
	autofree char *buf = mem_alloc(BUFFER_BYTES);

	for (unsigned turn = 0; turn < READS_PER_TURN; turn++) {
		ssize_t n = read(w->fd, buf, BUFFER_BYTES);

		if (n <= 0)
			return 0;
		for (ssize_t at = 0; at < n;) {
			/* The kernel aligns each event to the structure. */
			const struct inotify_event *ev = (const void *)(buf + at);

			if (!deliver(w, ev))
				return 0;
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
	}
	return 0;
}

int dirwatch_new(struct dirwatch **ret, sd_event *loop, size_t max, dirwatch_fn fn, void *data,
		 struct err *err)
{
	_cleanup_(dirwatch_freep) struct dirwatch *w = NEW(struct dirwatch);
	int r;

	w->max = max;
	w->fn = fn;
	w->data = data;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return err_errno(err, errno, "inotify");
	r = sd_event_add_io(loop, &w->io, w->fd, EPOLLIN, on_readable, w);
	if (r < 0)
		return err_errno(err, r, "inotify on the loop");
	*ret = TAKE_PTR(w);
	return 0;
}

struct dirwatch *dirwatch_free(struct dirwatch *w)
{
	if (!w)
		return NULL;
	if (w->freed)
		*w->freed = true;
	sd_event_source_disable_unref(w->io);
	w->fd = mem_close(w->fd);
	free(w->items);
	free(w);
	return NULL;
}

void dirwatch_begin(struct dirwatch *w)
{
	w->round++;
}

int dirwatch_add(struct dirwatch *w, int dirfd)
{
	char path[32];
	struct item *item;
	size_t at;
	int wd;

	assert(dirfd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	wd = inotify_add_watch(w->fd, path, EVENTS);
	if (wd < 0)
		return -errno;
	item = find(w, wd);
	if (item) {
		item->round = w->round;
		return 0;
	}
	if (w->max && w->n >= w->max) {
		(void)inotify_rm_watch(w->fd, wd);
		return -ENOSPC;
	}
	GROW(w->items, w->cap, w->n + 1);
	at = position(w, wd);
	memmove(w->items + at + 1, w->items + at, (w->n - at) * sizeof(*w->items));
	w->items[at] = (struct item){.wd = wd, .round = w->round};
	w->n++;
	return 0;
}

void dirwatch_sweep(struct dirwatch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->items[i].round == w->round)
			w->items[kept++] = w->items[i];
		else
			(void)inotify_rm_watch(w->fd, w->items[i].wd);
	}
	w->n = kept;
}

size_t dirwatch_count(const struct dirwatch *w)
{
	return w->n;
}
