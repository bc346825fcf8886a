/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-manifest: reads the manifests of a revision from fd 3 (manifest_input.h says how), decodes
 * them, and answers. It parses what anybody may have pushed, so it gives up everything but memory,
 * its socket and its exit first.
 */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/failpoint.h"
#include "base/ipc.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/worker.h"
#include "reconciler/manifest.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* All that is left: memory that can't be executed, the socket, the end. */
static int confine(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),
		SCMP_SYS(readv),
		SCMP_SYS(write),
		SCMP_SYS(writev),
		SCMP_SYS(recvmsg),
		SCMP_SYS(recvfrom),
		SCMP_SYS(sendmsg),
		SCMP_SYS(sendto),
		SCMP_SYS(brk),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(madvise),
		SCMP_SYS(futex),
		SCMP_SYS(getrandom),
		SCMP_SYS(close),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(gettid),
		SCMP_SYS(getpid),
		SCMP_SYS(tgkill),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(restart_syscall),
		SCMP_SYS(sysinfo), /* qsort() of glibc 2.36 */
	};
	scmp_filter_ctx ctx;
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	/* The sanitizers look at /proc and start a thread at the end. */
	if (SANITIZED)
		return 0;
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r >= 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* An app as received; its strings and messages are owned. */
struct app {
	json_t *header;
	const char **dockerfiles;
	struct ipc_msg *messages;
	struct manifest_file *files;
	size_t n, cap_messages, cap_files;
};

struct input {
	struct app *apps;
	size_t n, cap;
	json_t *mode; /* NULL until it came */
};

static int take_app(struct input *in, const struct ipc_msg *m)
{
	struct app app = {.header = json_loadb(m->data, m->len, 0, NULL)};
	const json_t *list = json_object_get(app.header, "dockerfiles");
	const json_t *path;
	size_t i;

	if (!json_is_string(json_object_get(app.header, "name")) || !json_is_array(list)) {
		json_decref(app.header);
		return -EBADMSG;
	}
	app.dockerfiles = mem_calloc(json_array_size(list) + 1, sizeof(*app.dockerfiles));
	json_array_foreach(list, i, path) {
		app.dockerfiles[i] = json_is_string(path) ? json_string_value(path) : "";
	}
	GROW(in->apps, in->cap, in->n + 1);
	in->apps[in->n++] = app;
	return 0;
}

static int take_mode(struct input *in, const struct ipc_msg *m)
{
	if (in->mode)
		return -EBADMSG;
	in->mode = json_loadb(m->data, m->len, 0, NULL);
	return json_is_object(in->mode) ? 0 : -EBADMSG;
}

/* Keeps M's data. */
static int take_file(struct input *in, struct ipc_msg *m)
{
	struct app *app = in->n ? &in->apps[in->n - 1] : NULL;
	const char *nul = memchr(m->data, '\0', m->len);

	if (!app || !nul)
		return -EBADMSG;
	GROW(app->messages, app->cap_messages, app->n + 1);
	GROW(app->files, app->cap_files, app->n + 1);
	app->messages[app->n] = *m;
	app->files[app->n++] = (struct manifest_file){
		.path = m->data,
		.content = nul + 1,
		.len = m->len - (size_t)(nul + 1 - m->data),
	};
	*m = (struct ipc_msg){.type = 0};
	return 0;
}

/* Receive until MANIFEST_MSG_DECODE. */
static int receive(struct input *in)
{
	for (;;) {
		struct ipc_msg m = {.type = 0};
		bool last;
		int r = ipc_recv(WORKER_FD, &m);

		if (r <= 0)
			return r < 0 ? r : -EBADMSG;
		last = m.type == MANIFEST_MSG_DECODE;
		if (m.type == MANIFEST_MSG_APP)
			r = take_app(in, &m);
		else if (m.type == MANIFEST_MSG_MODE)
			r = take_mode(in, &m);
		else if (m.type == MANIFEST_MSG_FILE)
			r = take_file(in, &m);
		else if (!last)
			r = -EBADMSG;
		ipc_msg_deinit(&m);
		if (r < 0 || last)
			return r < 0 ? r : 0;
	}
}

static int answer(const struct input *in)
{
	autofree struct manifest_app *apps = mem_calloc(in->n + 1, sizeof(*apps));
	const struct manifest_input input = {
		.apps = apps,
		.n_apps = in->n,
		.policy = json_object_get(in->mode, "policy"),
		.configuration = json_is_true(json_object_get(in->mode, "configuration")),
	};
	autojson *result = NULL;

	for (size_t i = 0; i < in->n; i++)
		apps[i] = (struct manifest_app){
			.name = json_string_value(json_object_get(in->apps[i].header, "name")),
			.files = in->apps[i].files,
			.n_files = in->apps[i].n,
			.dockerfiles = in->apps[i].dockerfiles,
		};
	result = manifest_decode(&input);
	return ipc_send_json(WORKER_FD, MANIFEST_MSG_RESULT, result);
}

static void input_deinit(struct input *in)
{
	for (size_t i = 0; i < in->n; i++) {
		struct app *app = &in->apps[i];

		for (size_t f = 0; f < app->n; f++)
			ipc_msg_deinit(&app->messages[f]);
		free(app->messages);
		free(app->files);
		free(app->dockerfiles);
		json_decref(app->header);
	}
	json_decref(in->mode);
	free(in->apps);
}

int main(void)
{
	struct input in = {.n = 0};
	int r;

	json_object_seed(0); /* reads /dev/urandom, so before the confinement */
	FAILPOINT("manifest.decode");
	r = confine();
	if (r >= 0)
		r = receive(&in);
	if (r >= 0)
		r = answer(&in);
	if (r < 0)
		(void)fprintf(stderr, "recond-manifest: %s\n", strerror(-r));
	input_deinit(&in);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
