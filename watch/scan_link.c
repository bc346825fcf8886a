/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symlinks of a watched folder. A link is resolved by names, one component at a time, never by the
 * kernel, and the place it leads to is opened afterwards like any other, without following
 * anything. So the worst that a race can do is to name a place that is then refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "watch/ignore_priv.h"
#include "watch/revision_priv.h"
#include "watch/scan_priv.h"

#define LINKS_MAX 40

/* The text of the symlink at REAL; NULL when it is none, or a component before it is. */
static char *read_link(int root, const char *real)
{
	autoclose int fd = fs_open_beneath(root, real, O_PATH | O_NOFOLLOW, 0);
	char text[REVISION_LINK_MAX + 1];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = readlinkat(fd, "", text, sizeof(text));
	return n > 0 && (size_t)n < sizeof(text) ? mem_strndup(text, (size_t)n) : NULL;
}

static bool is_hidden(const char *path)
{
	autostrlist parts = {0};

	strlist_split(&parts, path, '/');
	for (size_t i = 0; i < parts.n; i++)
		if (*parts.items[i] && ignore_name(parts.items[i]) != IGNORE_NO)
			return true;
	return false;
}

static void visit(const struct scan *s, struct strlist *visited, const char *dir)
{
	if (is_hidden(dir) && !strlist_contains(&s->watched, dir) &&
	    !strlist_contains(visited, dir))
		strlist_add(visited, dir);
}

/*
 * Replace the first symlink on the way of *AT by its target. 1 when one was, 0 when there is none
 * left, -EXDEV when the way leaves the tree. Hidden directories passed through are added to
 * VISITED.
 */
static int step(const struct scan *s, char **at, struct strlist *visited)
{
	char *slash = *at;

	while (slash) {
		autofree char *text = NULL, *target = NULL;

		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		text = read_link(s->root, *at);
		if (text) {
			char *next;

			target = revision_link_target(*at, text);
			if (!target || !*target)
				return -EXDEV;
			next = mem_asprintf("%s%s%s", target, slash ? "/" : "",
					    slash ? slash + 1 : "");
			free(*at);
			*at = next;
			return 1;
		}
		if (slash) {
			visit(s, visited, *at);
			*slash++ = '/';
		}
	}
	return 0;
}

static int resolve(char **ret, const struct scan *s, const char *from, struct strlist *visited)
{
	autofree char *at = mem_strdup(from);

	for (unsigned i = 0; i <= LINKS_MAX; i++) {
		int r = step(s, &at, visited);

		if (r < 0)
			return r;
		if (r == 0) {
			*ret = TAKE_PTR(at);
			return 0;
		}
		if (strlen(at) > REVISION_PATH_MAX)
			break;
	}
	return -ELOOP;
}

int scan_link(char **ret_real, struct scan *s, const char *real, const char *text)
{
	autofree char *target = revision_link_target(real, text);

	if (!target)
		return SCAN_LINK_LEAVES;
	for (;;) {
		autostrlist visited = {0};
		autofree char *end = NULL;
		int r = resolve(&end, s, real, &visited);

		if (visited.n > 0) {
			s->hidden = true;
			for (size_t i = 0; i < visited.n; i++)
				strlist_add(&s->watched, visited.items[i]);
			if (s->watch) {
				int sent = wire_dirs(&s->wire, &visited);

				if (sent < 0)
					return sent;
				/* Once more, now that no swap of what we passed through can go
				 * unnoticed. */
				continue;
			}
		}
		if (r < 0)
			return r == -EXDEV ? SCAN_LINK_LEAVES : SCAN_LINK_DATA;
		if (!is_hidden(end))
			return SCAN_LINK_DATA;
		s->hidden = true;
		*ret_real = TAKE_PTR(end);
		return SCAN_LINK_HIDDEN;
	}
}
