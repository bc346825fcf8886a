/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of objects recond knows: one row each, read by the decoder, the store, the API's paths
 * and the command line. What fields a kind has is schema.h's business.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum kind {
	KIND_NAMESPACE,
	KIND_CONFIGMAP,
	KIND_SECRET,
	KIND_SERVICE,
	KIND_POD,
	KIND_REPLICASET,
	KIND_DEPLOYMENT,
	KIND_JOB,
	KIND_EVENT,
	KIND_IMAGE,  /* recond.dev/v1: a build */
	KIND_APP,    /* recond.dev/v1: desired and effective of one app; written by recond alone */
	KIND_SOURCE, /* recond.dev/v1: where apps come from; configured by files of the operator */
	KIND_N_,
};

struct kind_info {
	const char *api_version; /* "apps/v1" */
	const char *group;       /* "apps", "" for the core group */
	const char *version;     /* "v1" */
	const char *name;        /* "Deployment" */
	const char *plural;      /* "deployments" */
	const char *singular;    /* "deployment" */
	const char *short_names; /* comma separated, "" for none: "deploy" */
	bool namespaced;
	bool from_source; /* may stand in a manifest */
	bool from_config; /* may stand in a file of the operator's configuration */
	bool generation;  /* has metadata.generation, bumped on spec changes */
	int apply_order;  /* lower is applied first and deleted last */
};

/* The row of KIND; never NULL. */
const struct kind_info *kind_info(enum kind kind);

/*
 * Does deleting an object of the kind NAME take along more than the object (what is in a Namespace,
 * what is stored in a claim)? A revision that does so has to be confirmed.
 */
bool kind_is_guarded(const char *name);

/* The fewest objects whose loss has to be confirmed when it is more than half of all. */
#define KIND_GUARD_MIN_OBJECTS 2

/*
 * The kind of an apiVersion and kind as written in a manifest: 1 with *ret, or 0 when it is not one
 * of ours.
 */
int kind_lookup(enum kind *ret, const char *api_version, const char *name);

/*
 * The kind a person means on a command line: plural, singular, short name or "plural.group", any
 * case. 1 with *ret, or 0.
 */
int kind_from_word(enum kind *ret, const char *word);

/* The kind behind the API path parts GROUP ("" for core), VERSION and PLURAL. 1 with *ret, or 0. */
int kind_from_path(enum kind *ret, const char *group, const char *version, const char *plural);
