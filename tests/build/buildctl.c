/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buildctl plan|build STATE CONTEXT [KEY=VALUE...]
 *
 * Plays the daemon: lists the directory CONTEXT, asks a worker through builder/build.h, and prints
 * what comes back, one event per line. A KEY is a member of the request ("target=x"); "arg.NAME=v"
 * is a build argument, "listing=FILE" takes the entries from FILE (as the "list" command printed
 * them) instead of looking again. Exit code: 0 built or planned, 1 the build failed, 2 usage.
 *
 * buildctl list CONTEXT: print the entries.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "builder/build.h"

#define MAX_FILE (1u << 20)

static sd_event *loop;
static int exit_code;

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "buildctl: %s: %s\n", what, why);
	exit(2);
}

/* Append the entries of the directory FD, whose path in the context is PREFIX. */
static void list(json_t *entries, int fd, const char *prefix)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;

	while ((d = readdir(dir))) {
		autofree char *path = mem_asprintf("%s%s%s", prefix, *prefix ? "/" : "", d->d_name);
		char digest[DIGEST_STR_SIZE] = "", link[PATH_MAX] = "";
		json_t *e;
		struct stat st;
		int child;

		if (d->d_name[0] == '.' && !str_eq(d->d_name, ".dockerignore"))
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die(path, "stat");
		if (S_ISLNK(st.st_mode)) {
			st.st_mode = S_IFLNK;
			if (readlinkat(fd, d->d_name, link, sizeof(link) - 1) < 0)
				die(path, "readlink");
			digest_bytes(digest, link, strlen(link));
		}
		child = S_ISLNK(st.st_mode) ? -1 : fs_open_beneath(fd, d->d_name, O_RDONLY, 0);
		if (S_ISREG(st.st_mode) && digest_fd(digest, NULL, child, NULL) < 0)
			die(path, "read");
		e = json_pack("{s:s, s:i, s:I, s:s}", "path", path, "mode", (int)st.st_mode, "size",
			      (json_int_t)st.st_size, "digest", digest);
		if (*link)
			json_set(e, "content", json_string(link));
		json_array_append_new(entries, e);
		if (S_ISDIR(st.st_mode))
			list(entries, TAKE_FD(child), path);
		(void)mem_close(child);
	}
	(void)closedir(dir);
}

static json_t *list_context(const char *path)
{
	json_t *entries = json_array();
	int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		die(path, "open");
	list(entries, fd, "");
	return entries;
}

static void set_text_file(json_t *request, const char *key, const char *dir, const char *name)
{
	autofree char *path = mem_asprintf("%s/%s", dir, name);
	autoclose int fd = fs_open(path, O_RDONLY, 0);
	autofree char *text = NULL;
	size_t n;

	if (fd >= 0 && fs_read_fd(&text, &n, fd, MAX_FILE) == 0)
		json_set(request, key, json_text(text));
}

static void on_plan(struct build *b, const json_t *answer, const struct err *err, void *data)
{
	autofree char *text = answer ? json_canonical(answer) : NULL;

	(void)b;
	(void)data;
	if (answer)
		(void)printf("plan %s\n", text);
	else
		(void)printf("error %s %s %s\n", err_kind_name(err->kind), err->reason,
			     err->message);
	exit_code = !answer;
	(void)sd_event_exit(loop, 0);
}

static void on_progress(struct build *b, const struct build_progress *p, void *data)
{
	(void)b;
	(void)data;
	(void)printf("step %zu/%zu %s %u %s\n", p->step, p->n_steps, p->cached ? "cached" : "run",
		     p->line, p->text);
	(void)fflush(stdout);
}

static void on_log(struct build *b, const char *line, void *data)
{
	(void)b;
	(void)data;
	(void)printf("log %s\n", line);
	(void)fflush(stdout);
}

static void on_end(struct build *b, const char *digest, const struct err *err, void *data)
{
	(void)b;
	(void)data;
	if (digest)
		(void)printf("done %s\n", digest);
	else
		(void)printf("error %s %s %s\n", err_kind_name(err->kind), err->reason,
			     err->message);
	exit_code = !digest;
	(void)sd_event_exit(loop, 0);
}

static json_t *make_request(char **argv)
{
	const char *state = argv[2], *context = argv[3], *file = "Dockerfile";
	json_t *request = json_object(), *args = json_object();
	char absolute[PATH_MAX];

	if (!realpath(context, absolute))
		die(context, "no such directory");
	json_set(request, "stateDir", json_string(state));
	json_set(request, "contextDir", json_string(absolute));
	json_set(request, "buildArgs", args);
	for (char **a = argv + 4; *a; a++) {
		char *eq = strchr(*a, '=');
		const char *arg;

		if (!eq)
			die(*a, "want KEY=VALUE");
		*eq = '\0';
		arg = str_skip_prefix(*a, "arg.");
		if (arg)
			json_set(args, arg, json_string(eq + 1));
		else if (str_eq(*a, "listing"))
			json_set(request, "entries", json_load_file(eq + 1, 0, NULL));
		else if (str_has_suffix(*a, "Ms"))
			json_set(request, *a, json_integer(strtoll(eq + 1, NULL, 10)));
		else
			json_set(request, *a, json_string(eq + 1));
		if (str_eq(*a, "dockerfile"))
			file = eq + 1;
	}
	if (!json_object_get(request, "entries"))
		json_set(request, "entries", list_context(absolute));
	set_text_file(request, "dockerfileText", absolute, file);
	set_text_file(request, "dockerignoreText", absolute, ".dockerignore");
	return request;
}

int main(int argc, char **argv)
{
	static const struct build_callbacks callbacks = {on_progress, on_log, on_end};
	_cleanup_(build_cancelp) struct build *b = NULL;
	autojson *request = NULL;
	struct err err = {};
	int r;

	if (argc == 3 && str_eq(argv[1], "list")) {
		autojson *entries = list_context(argv[2]);

		return json_dumpf(entries, stdout, 0) < 0;
	}
	if (argc < 4 || (!str_eq(argv[1], "plan") && !str_eq(argv[1], "build")))
		die("usage", "buildctl plan|build STATE CONTEXT [KEY=VALUE...]");
	request = make_request(argv);
	r = loop_new(&loop, &err);
	if (r >= 0 && str_eq(argv[1], "plan"))
		r = build_plan_start(&b, loop, request, on_plan, NULL, &err);
	else if (r >= 0)
		r = build_start(&b, loop, request, &callbacks, NULL, &err);
	if (r < 0)
		die("start", err.message);
	(void)sd_event_loop(loop);
	b = build_cancel(b);
	(void)sd_event_unref(loop);
	return exit_code;
}
