/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN under crun: bundle, process, output.
 */
#include "builder/run.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "builder/hosts.h"
#include "runtime/passwd.h"
#include "runtime/rootfs.h"
#include "runtime/spec.h"

#define CRUN "/usr/bin/crun"

static bool has_variable(const struct strlist *env, const char *name)
{
	for (size_t i = 0; i < env->n; i++) {
		const char *rest = str_skip_prefix(env->items[i], name);

		if (rest && *rest == '=')
			return true;
	}
	return false;
}

static void fill_environment(struct spec *s, const struct plan_step *step,
			     const struct run_options *o, const char *home)
{
	for (size_t i = 0; i < step->env.n; i++)
		strlist_add(&s->env, step->env.items[i]);
	for (size_t i = 0; o->proxy_env && i < o->proxy_env->n; i++)
		strlist_add(&s->env, o->proxy_env->items[i]);
	if (!has_variable(&s->env, "HOME"))
		strlist_add_take(&s->env, mem_asprintf("HOME=%s", home));
}

static int fill_spec(struct spec *s, const struct workspace_root *root,
		     const struct plan_step *step, const struct run_options *o, struct err *err)
{
	_cleanup_(mem_freep) struct passwd_ids *ids = NEW(struct passwd_ids);
	int r;

	r = passwd_resolve(ids, root->fd, step->user, err);
	if (r >= 0)
		r = rootfs_check(root->fd, err);
	if (r >= 0)
		r = rootfs_cwd(&s->cwd, root->fd, step->cwd, (struct rootfs_owner){0, 0}, err);
	if (r < 0)
		return r;
	s->root = mem_asprintf("%s/%s", root->ws->path, root->root);
	s->hostname = mem_strdup(RUN_HOSTNAME);
	s->cgroup_path = workspace_cgroup(root->ws);
	for (size_t i = 0; i < step->argv.n; i++)
		strlist_add(&s->args, step->argv.items[i]);
	fill_environment(s, step, o, ids->home);
	s->uid = ids->uid;
	s->gid = ids->gid;
	s->groups = mem_memdup(ids->groups, ids->n_groups * sizeof(*ids->groups));
	s->n_groups = ids->n_groups;
	s->caps = SPEC_CAPS_BUILD;
	/* Package managers and su need their setuid programs; the bounding set still holds. */
	s->no_new_privileges = false;
	s->resources.pids = RUN_MAX_PIDS;
	s->resources.memory_bytes = o->memory_bytes;
	s->ns[SPEC_NS_NET].host = step->host_network;
	spec_host_read(&s->host);
	return 0;
}

static int write_bundle(struct hosts *ret_hosts, const struct workspace_root *root,
			const struct plan_step *step, const struct run_options *o, struct err *err)
{
	_cleanup_(spec_deinit) struct spec s;
	autojson *config = NULL;
	autofree char *text = NULL;
	autoclose int bundle = -1;
	int r;

	spec_init(&s);
	free(s.cwd);
	s.cwd = NULL;
	r = fill_spec(&s, root, step, o, err);
	if (r >= 0)
		r = hosts_mount(ret_hosts, &s, root, step->host_network, err);
	if (r >= 0)
		r = spec_build(&config, &s, err);
	if (r < 0)
		return r;
	text = json_canonical(config);
	r = fs_mkdir_p(root->ws->fd, "bundle", 0700);
	if (r >= 0)
		r = bundle = fs_open_at(root->ws->fd, "bundle", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_errno(err, r, "bundle directory");
	return fs_replace(bundle, "config.json", text, strlen(text), 0600, err);
}

static int start(pid_t *ret_pid, int *ret_pidfd, int *ret_output, const struct workspace *ws,
		 struct err *err)
{
	autofree char *state = mem_asprintf("%s/crun", ws->path);
	autofree char *bundle = mem_asprintf("%s/bundle", ws->path);
	const char *const argv[] = {"crun", "--root",   state,  "--cgroup-manager=cgroupfs",
				    "run",  "--bundle", bundle, ws->id,
				    NULL};
	int pipe_fds[2], fds[3], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	fds[0] = -1;
	fds[1] = fds[2] = pipe_fds[1];
	r = proc_spawn(ret_pid, ret_pidfd,
		       &(struct proc_spec){.path = CRUN,
					   .argv = argv,
					   .fds = fds,
					   .n_fds = 3,
					   .die_with_parent = true},
		       err);
	(void)close(pipe_fds[1]);
	if (r < 0) {
		(void)close(pipe_fds[0]);
		return r;
	}
	*ret_output = pipe_fds[0];
	return 0;
}

/* Safe for a terminal; tabs are, too. */
static void add_line(struct strbuf *out, const char *s, size_t n)
{
	while (n) {
		const char *tab = memchr(s, '\t', n);
		size_t len = tab ? (size_t)(tab - s) : n;

		strbuf_add_escaped(out, s, len);
		if (tab)
			strbuf_addc(out, '\t');
		s += len + (tab != NULL);
		n -= len + (tab != NULL);
	}
}

/* Output on its way to the log. */
struct output {
	const struct run_options *o;
	struct strbuf buf; /* read and not handed on */
	size_t bytes;      /* read so far */
	size_t lines;      /* handed on so far */
};

static void output_deinit(struct output *out)
{
	strbuf_deinit(&out->buf);
}

static bool clipped(const struct output *out)
{
	return out->bytes > RUN_MAX_OUTPUT || out->lines >= RUN_MAX_LINES;
}

/* Hand on the complete lines, and with ALL also what has no line end yet. */
static int emit_lines(struct output *out, bool all)
{
	struct strbuf *buf = &out->buf;

	while (buf->len && out->lines < RUN_MAX_LINES) {
		const char *nl = memchr(buf->data, '\n', buf->len);
		size_t n = nl ? (size_t)(nl - buf->data) : buf->len;
		autostrbuf line = STRBUF_INIT;
		int r;

		if (!nl && !all && n < RUN_MAX_LINE)
			return 0;
		if (n > RUN_MAX_LINE) {
			n = RUN_MAX_LINE;
			nl = NULL;
		}
		add_line(&line, buf->data, n - (n && buf->data[n - 1] == '\r'));
		strbuf_consume(buf, n + (nl != NULL));
		out->lines++;
		r = out->o->line(strbuf_str(&line), out->o->data);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Until the last process that could write has gone. What is beyond the limits is read and dropped.
 */
static int pump_output(int fd, const struct run_options *o, struct err *err)
{
	_cleanup_(output_deinit) struct output out = {.o = o};
	char chunk[4096];
	ssize_t n;
	int r = 0;

	while (r >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read the output of a step");
		if (clipped(&out))
			continue;
		out.bytes += (size_t)n;
		strbuf_add(&out.buf, chunk, (size_t)n);
		r = emit_lines(&out, clipped(&out));
		if (r >= 0 && clipped(&out))
			r = o->line("[output clipped]", o->data);
	}
	if (r >= 0)
		r = emit_lines(&out, true);
	return r < 0 ? err_errno(err, r, "hand on the output of a step") : 0;
}

static int failed(const struct plan_step *step, int status, struct err *err)
{
	autostrbuf command = STRBUF_INIT;

	for (size_t i = 0; i < step->argv.n; i++)
		strbuf_addf(&command, "%s%s", i ? " " : "", step->argv.items[i]);
	return err_invalid(err, "process \"%.500s\" did not complete successfully: exit code: %d",
			   strbuf_str(&command), status);
}

int run_step(const struct workspace_root *root, const struct plan_step *step,
	     const struct run_options *o, struct err *err)
{
	autoclose int pidfd = -1;
	autoclose int output = -1;
	_cleanup_(hosts_unmount) struct hosts hosts = {};
	int status, r;
	pid_t pid;

	assert(step->op == PLAN_RUN && o->line);
	r = write_bundle(&hosts, root, step, o, err);
	if (r >= 0)
		r = start(&pid, &pidfd, &output, root->ws, err);
	if (r < 0)
		return r;
	r = pump_output(output, o, err);
	if (r < 0)
		(void)proc_signal(pidfd, SIGKILL);
	if (proc_reap(&status, pidfd) < 0)
		status = -1;
	if (r < 0)
		return r;
	return status ? failed(step, status, err) : 0;
}
