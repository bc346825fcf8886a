/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-scan: reads a watched folder once and tells the daemon what is in it. See
 * watch/wire_priv.h for what is said, and watch/source.c for who listens. It can open nothing but
 * what lies beneath fd 4.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"
#include "watch/confine_priv.h"
#include "watch/scan_priv.h"

/* clang-format off */
static const char *const note_texts[SCAN_NOTE_N_] = {
	[SCAN_NOTE_LEAVES]   = "a symlink that leads out of the source is not followed",
	[SCAN_NOTE_SPECIAL]  = "sockets, pipes and devices are left out",
	[SCAN_NOTE_NAME]     = "names that are not printable UTF-8 are left out",
	[SCAN_NOTE_MOUNT]    = "another file system is mounted inside the source and left out",
	[SCAN_NOTE_HARDLINK] = "a change made through another name of a hard-linked file may go unnoticed",
	[SCAN_NOTE_BUSY]     = "open for writing, so its last complete content counts",
	[SCAN_NOTE_WRITABLE] = "every user of this host can write to it, and so decide what runs here",
};
/* clang-format on */

/* git holds this lock from before the first file of a checkout until after the last. */
static bool is_checkout_going_on(void)
{
	autoclose int fd =
		fs_open_beneath(WATCH_ROOT_FD, ".git/index.lock", O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

/* Who may write into the folder says what runs on this host. */
static void note_writable(struct scan *s)
{
	struct stat st;

	if (fstat(WATCH_ROOT_FD, &st) == 0 && st.st_mode & S_IWOTH)
		scan_note(s, SCAN_NOTE_WRITABLE, "the folder");
}

void scan_note(struct scan *s, enum scan_note note, const char *path)
{
	if (s->n_notes[note]++ == 0)
		s->notes[note] = mem_strdup(path);
}

static void scan_deinit(struct scan *s)
{
	for (size_t i = 0; i < SCAN_NOTE_N_; i++)
		free(s->notes[i]);
	strlist_deinit(&s->watched);
	cache_free(s->cache);
	wire_deinit(&s->wire);
}

static void say_notes(struct scan *s)
{
	for (size_t i = 0; i < SCAN_NOTE_N_; i++) {
		autofree char *text = NULL;

		if (s->n_notes[i] == 0)
			continue;
		text = s->n_notes[i] == 1 ? mem_asprintf("%s: %s", s->notes[i], note_texts[i])
					  : mem_asprintf("%s and %zu more: %s", s->notes[i],
							 s->n_notes[i] - 1, note_texts[i]);
		(void)wire_note(&s->wire, text);
	}
}

static int finish(struct scan *s)
{
	json_t *result = json_object();

	note_writable(s);
	say_notes(s);
	json_set(result, "unsettled", json_boolean(s->unsettled));
	json_set(result, "checkout", json_boolean(is_checkout_going_on()));
	json_set(result, "hidden", json_boolean(s->hidden));
	json_set(result, "busy", json_integer((json_int_t)s->n_busy));
	json_set(result, "busyKept", json_integer((json_int_t)s->n_busy_kept));
	return wire_finish(&s->wire, s->cache, result);
}

int main(void)
{
	_cleanup_(scan_deinit) struct scan s = {.root = WATCH_ROOT_FD};
	autojson *request = NULL;
	struct err err = {0};
	int r;

	r = wire_begin(&s.wire, &request, &s.cache);
	if (r < 0)
		return EXIT_FAILURE;
	s.watch = json_path_bool(request, "watch", false);
	s.have_content = json_path_bool(request, "haveContent", false);
	r = confine_to(WATCH_ROOT_FD, NULL, false, &err);
	if (r >= 0)
		r = scan_walk(&s, &err);
	r = r < 0 ? wire_fail(&s.wire, &err) : finish(&s);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
