/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into decoding a revision: the manifest files of its apps as bytes. Shared by the
 * daemon, which sends it, and the worker recond-manifest, which decodes it, with the messages
 * between them.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_MAX_FILES 2000              /* of a source */
#define MANIFEST_INPUT_MAX_BYTES (10u << 20) /* of a source */

struct manifest_file {
	const char *path; /* from the root of the source: "web/app.yaml" */
	const char *content;
	size_t len;
};

struct manifest_app {
	const char *name;
	const struct manifest_file *files;
	size_t n_files;
	const char *const *dockerfiles; /* paths of its Dockerfiles from the root of the source,
					   NULL-terminated */
};

struct manifest_input {
	const struct manifest_app *apps;
	size_t n_apps;
	const json_t *policy; /* what the objects may ask for (validate.h); NULL: nothing special */
	bool configuration;   /* files of the operator's: Source objects, and nothing else */
};

/*
 * Messages: MANIFEST_MSG_MODE ({"policy": ..., "configuration": ...}), for each app
 * MANIFEST_MSG_APP ({"name": ..., "dockerfiles": [...]}), then for each of its files
 * MANIFEST_MSG_FILE (path, NUL, content); MANIFEST_MSG_DECODE ends the input. The answer is
 * MANIFEST_MSG_RESULT, the JSON that manifest_decode() returns.
 */
enum manifest_msg {
	MANIFEST_MSG_APP = 1,
	MANIFEST_MSG_FILE,
	MANIFEST_MSG_DECODE,
	MANIFEST_MSG_RESULT,
	MANIFEST_MSG_MODE,
};
