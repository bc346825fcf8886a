/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to images as people write them ("web", "localhost/web:1", "ghcr.io/a/b@sha256:...")
 * and their full form. The grammar and the rules of familiar names are those of
 * github.com/distribution/reference. Pure: no file, no network, no allocation.
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"

#define IMAGEREF_MAX_NAME 255 /* registry + "/" + repository */
#define IMAGEREF_MAX_TAG 128
#define IMAGEREF_MAX (IMAGEREF_MAX_NAME + 1 + IMAGEREF_MAX_TAG + 1 + DIGEST_STR_SIZE)

#define IMAGEREF_DEFAULT_REGISTRY "docker.io"
#define IMAGEREF_LOCAL_REGISTRY "localhost"

struct imageref {
	char registry[IMAGEREF_MAX_NAME + 1];   /* "docker.io", "localhost:5000" */
	char repository[IMAGEREF_MAX_NAME + 1]; /* "library/web" */
	char tag[IMAGEREF_MAX_TAG +
		 1]; /* "latest" when neither tag nor digest was given; "" with a digest alone */
	char digest[DIGEST_STR_SIZE]; /* "" when none was given */
};

/*
 * Parse TEXT. 0 and *ret with every default filled in, or -EINVAL with ERR (kind invalid, reason
 * InvalidImageName). Where a digest is given it decides and the tag is decoration.
 */
int imageref_parse(struct imageref *ret, const char *text, struct err *err);

/* The full form, "docker.io/library/web:latest" (with ":tag" and "@digest" as far as they are set).
 */
void imageref_format(char ret[IMAGEREF_MAX], const struct imageref *ref);

/* The shortest form that parses to REF again, its tag included: "web:latest", "localhost/web:1". */
void imageref_format_familiar(char ret[IMAGEREF_MAX], const struct imageref *ref);

/* The same without tag and digest, as the column REPOSITORY shows it: "web", "localhost/web". */
void imageref_format_repository(char ret[IMAGEREF_MAX], const struct imageref *ref);

/* True when both name the same registry, repository, tag and digest. */
bool imageref_equal(const struct imageref *a, const struct imageref *b);
