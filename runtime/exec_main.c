/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-exec: the probes and hooks that are commands in containers. As root, for that is what crun
 * needs, and for that reason apart from recond-prober, which reads what the network answers; it has
 * no network of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "base/worker.h"
#include "runtime/exec.h"
#include "runtime/prober_service.h"

static void on_done(uint64_t seq, bool ok, const char *output, size_t n, void *data UNUSED)
{
	prober_service_answer(WORKER_FD, seq, ok, output, n);
}

static void start(uint64_t seq, const json_t *request, void *data)
{
	exec_set_start(data, seq, request);
}

static void cancel(uint64_t seq, void *data)
{
	exec_set_cancel(data, seq);
}

int main(void)
{
	static const struct prober_service_ops ops = {.start = start, .cancel = cancel};
	_cleanup_(exec_set_freep) struct exec_set *set = NULL;
	sd_event *loop = NULL;
	struct err err = {0};
	int r;

	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	r = loop_new(&loop, &err);
	if (r == 0) {
		set = exec_set_new(loop, on_done, NULL);
		r = prober_service_run(loop, WORKER_FD, &ops, set, &err);
	}
	if (r < 0)
		(void)fprintf(stderr, "recond-exec: %s\n", err.message);
	set = exec_set_free(set);
	(void)sd_event_unref(loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
