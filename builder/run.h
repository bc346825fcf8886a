/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A RUN step: one process under crun in the mounted root of its stage, confined like a container of
 * a pod, without network unless the step says otherwise. Its environment is the step's and nothing
 * of ours. Blocking; for workers, as root, in the build's own mount and process namespaces.
 */
#pragma once

#include "base/err.h"
#include "builder/plan.h"
#include "builder/workspace.h"

#define RUN_HOSTNAME "recond-build"
#define RUN_MAX_PIDS 8192
/* Of one step; what is beyond either is dropped and the log says so. */
#define RUN_MAX_OUTPUT (2u << 20)
#define RUN_MAX_LINES 20000u
#define RUN_MAX_LINE (16u << 10) /* a longer line of output is cut into several */

/* One line of output without its line end, escaped for terminals. Non-zero ends the step. */
typedef int (*run_line_fn)(const char *line, void *data);

struct run_options {
	const struct strlist *proxy_env; /* appended to the step's environment; may be NULL */
	int64_t memory_bytes;            /* 0: no limit */
	run_line_fn line;
	void *data;
};

/*
 * Run STEP in ROOT. 0 when the process ended with 0, else negative errno with ERR; kind invalid
 * when the process failed: `process "/bin/sh -c exit 3" did not complete successfully: exit code:
 * 3`.
 */
int run_step(const struct workspace_root *root, const struct plan_step *step,
	     const struct run_options *o, struct err *err);
