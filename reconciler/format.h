/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms a string in a manifest may have to have: names, labels, ports' names, image references.
 * Each form is one row: its check and the sentence that says what was wanted.
 */
#pragma once

#include <stdbool.h>

enum format {
	FORMAT_NONE,
	FORMAT_DNS_LABEL,      /* RFC 1123, 63 */
	FORMAT_DNS_SUBDOMAIN,  /* RFC 1123, 253 */
	FORMAT_QUALIFIED_NAME, /* [prefix/]name: label and annotation keys, condition types */
	FORMAT_LABEL_VALUE,
	FORMAT_PORT_NAME,    /* 15, at least one letter */
	FORMAT_ENV_NAME,     /* printable ASCII but '=' */
	FORMAT_CONFIG_KEY,   /* a key of a ConfigMap or Secret: becomes a file name */
	FORMAT_BASE64,       /* standard alphabet, padded, line breaks allowed */
	FORMAT_ABS_PATH,     /* "/..." without ".." */
	FORMAT_REL_PATH,     /* not absolute, no ".." */
	FORMAT_MOUNT_PATH,   /* not empty, no ':' */
	FORMAT_CONTEXT_PATH, /* a directory of the source: relative to the manifest, or "/..." from
				the root */
	FORMAT_IMAGE,        /* an image reference */
	FORMAT_IMAGE_TAG,    /* name[:tag] without a registry, as built here */
	FORMAT_PLATFORM,     /* os/arch[/variant] */
	FORMAT_PERCENT,      /* "25%" */
	FORMAT_IP,
	FORMAT_SYSCTL,
	FORMAT_CAPABILITY, /* upper case, no CAP_ */
	FORMAT_ARG_NAME,   /* a build argument: a C identifier */
	FORMAT_BRANCH,     /* a branch of a git repository */
	FORMAT_HTTP_URL,   /* http:// or https:// with a host, printable, no credentials */
	FORMAT_HEADER,     /* the name of an HTTP header */
	FORMAT_USER,       /* a name in /etc/passwd */
	FORMAT_N_,
};

/* NULL when S has the form F, else what was wanted, beginning with "must" (static text). */
const char *format_check(enum format f, const char *s);

/* Split an image reference's pieces: does REF name a registry (first part with '.' or ':' or
 * "localhost")? */
bool format_image_has_registry(const char *ref);

/* Has REF a tag or a digest of its own? *ret_latest (may be NULL): the tag is "latest" or missing
 * without a digest. */
bool format_image_has_tag(const char *ref, bool *ret_latest);
