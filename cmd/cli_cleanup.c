/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond cleanup: for a host that recond leaves, and for one where something went wrong. Needs no
 * daemon, and refuses while there is one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cmd/cleanup.h"
#include "cmd/cli.h"
#include "cmd/duration.h"

#define GRACE_S 10

/* The flags as the daemon would read them, its configuration file included. */
static int read_options(struct options *ret, const struct command_line *line, struct err *err)
{
	static const struct {
		enum command_option option;
		const char *flag;
	} same[] = {
		{COMMAND_CONFIG, "--config"},
		{COMMAND_STATE_DIR, "--state-dir"},
		{COMMAND_RUN_DIR, "--run-dir"},
		{COMMAND_BRIDGE, "--bridge"},
	};
	const char *argv[2 * ARRAY_SIZE(same) + 3] = {"recond"};
	int argc = 1;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		if (!line->values[same[i].option])
			continue;
		argv[argc++] = same[i].flag;
		argv[argc++] = line->values[same[i].option];
	}
	/* A daemon needs a source; which one it is makes no difference here. */
	argv[argc++] = "/";
	return options_parse(ret, argc, (char **)argv, err);
}

static int read_grace(uint64_t *ret_ms, const struct command_line *line, struct err *err)
{
	const char *text = line->values[COMMAND_GRACE];
	int64_t seconds = GRACE_S;

	if (text && !str_eq(text, "0") && duration_parse(&seconds, text, err) < 0)
		return err_wrap(err, "--grace");
	*ret_ms = text && str_eq(text, "0") ? 0 : (uint64_t)seconds * 1000;
	return 0;
}

/*
 * The daemon's lock, so that none runs nor starts meanwhile. *ret_fd is -1 where no daemon has ever
 * run.
 */
static int lock_state(int *ret_fd, const struct options *o, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	autofree char *path = mem_asprintf("%s/lock", o->state_dir);
	autoclose int dir = fs_open(o->state_dir, O_RDONLY | O_DIRECTORY, 0);
	autoclose int fd = dir < 0 ? dir : fs_open(path, O_RDWR, 0);

	*ret_fd = -1;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(err, fd, "open '%s'", path);
	if (fcntl(fd, F_SETLK, &whole) == 0) {
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	(void)fcntl(fd, F_GETLK, &whole);
	return err_set(err, ERR_FATAL, EBUSY, "Locked",
		       "a daemon (pid %d) runs on %s: stop it first, as with 'systemctl stop "
		       "recond.socket recond.service'",
		       (int)whole.l_pid, o->state_dir);
}

/* The runtime takes a run directory for its own and empties what another boot left in it. */
static int check_run_dir(const struct options *o, struct err *err)
{
	autofree char *mark = mem_asprintf("%s/boot_id", o->run_dir);
	autofree char *pods = mem_asprintf("%s/pods", o->run_dir);

	if (access(mark, F_OK) == 0 || access(pods, F_OK) < 0)
		return 0;
	return err_invalid(err, "'%s' is no run directory of recond: it has no boot_id",
			   o->run_dir);
}

static void report(const struct options *o, const struct cleanup_result *result, bool purge)
{
	const json_t *text;
	size_t i;

	(void)printf("pods ended: %zu\n", result->pods);
	(void)printf("removed: mounts, links, rules and control groups of %s%s%s\n", o->run_dir,
		     purge ? ", and the state in " : "", purge ? o->state_dir : "");
	if (!purge)
		(void)printf("kept: the state in %s (--purge removes it)\n", o->state_dir);
	json_array_foreach(result->kept, i, text)
		(void)printf("kept: %s\n", json_string_value(text));
}

static int clean(const struct command_line *line, const struct options *o, struct err *err)
{
	struct cleanup_result result = {0};
	bool purge = line->values[COMMAND_PURGE] != NULL;
	autoclose int lock = -1;
	uint64_t grace_ms;
	int r;

	if (geteuid() != 0)
		return err_set(err, ERR_FATAL, EPERM, "NotRoot", "needs root");
	r = read_grace(&grace_ms, line, err);
	if (r == 0)
		r = check_run_dir(o, err);
	if (r == 0)
		r = lock_state(&lock, o, err);
	if (r == 0)
		r = cleanup_host(&result, o, grace_ms, err);
	if (r == 0)
		r = cleanup_files(o, purge || lock < 0, result.kept,
				  err); /* made by us: goes too */
	if (r == 0)
		report(o, &result, purge);
	json_decref(result.kept);
	return r;
}

int cli_cleanup(const struct command_line *line)
{
	autooptions options = {};
	struct err err = {};

	(void)umask(0077);
	if (read_options(&options, line, &err) < 0) {
		(void)fprintf(stderr, "recond cleanup: %s\n", err.message);
		return COMMAND_EXIT_USAGE;
	}
	log_set_level(options.log_level);
	if (clean(line, &options, &err) < 0) {
		(void)fprintf(stderr, "recond cleanup: %s\n", err.message);
		return COMMAND_EXIT_FAILED;
	}
	return COMMAND_EXIT_OK;
}
