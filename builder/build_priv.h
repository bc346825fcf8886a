/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon's side of a build and its worker say to each other. Payloads are JSON.
 */
#pragma once

enum build_msg {
	BUILD_MSG_REQUEST = 1, /* to the worker: see build.h, with "planOnly" */
	BUILD_MSG_PLAN,        /* from here on to the daemon: the answer of job_plan() */
	BUILD_MSG_PROGRESS,    /* {"i","n","line","text","cached"} */
	BUILD_MSG_LOG,         /* {"line"} */
	BUILD_MSG_DONE,        /* {"digest"} */
	BUILD_MSG_ERROR,       /* {"kind","code","reason","message"} */
};

#define BUILD_WORKER "recond-build"
