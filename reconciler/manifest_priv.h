/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between manifest.c (files to objects) and manifest_image.c (what is built): the state of decoding
 * one revision.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/finding.h"
#include "reconciler/kind.h"
#include "reconciler/manifest.h"

/* One object and where it stands. */
struct manifest_object {
	size_t app; /* index */
	char *file;
	unsigned int line, column;
	enum kind kind;
	json_t *object;
	json_t *defaulted; /* of ownership.h; NULL: nothing */
};

struct manifest_app_state {
	const struct manifest_app *input;
	struct findings errors;
	struct findings notes;
	json_t *settings;    /* of its App object: annotation to value; NULL without one */
	size_t n_left_alone; /* files and documents that are no Kubernetes objects */
};

struct manifest_state {
	const struct manifest_input *input;
	struct manifest_app_state *apps;
	size_t n_apps;
	struct manifest_object *objects;
	size_t n_objects;
	size_t cap_objects;
	json_t *names;       /* "Kind/namespace/name": index of the object */
	json_t *tags;        /* tag: index of the Image object that gives it */
	json_t *dockerfiles; /* path: true when an Image names it, else false */
	size_t files;
	size_t bytes;
};

/* Read the App object J: settings of the app A, or errors. */
void manifest_settings_decode(struct manifest_app_state *a, const struct finding_place *at,
			      const json_t *j);

/* Has each annotation of the object J that is meant for recond a meaning? Errors otherwise. */
void manifest_settings_check(struct manifest_app_state *a, const struct finding_place *at,
			     enum kind kind, const json_t *j);

/* Append an object; FILE is copied, OBJECT stolen. Borrowed until the next append. */
struct manifest_object *manifest_object_add(struct manifest_state *s, size_t app, const char *file,
					    enum kind kind, json_t *object);

/*
 * Put the context of an Image object at place AT of file FILE into its final form, and note which
 * Dockerfile it names. Errors are added to APP's.
 */
void manifest_image_resolve(struct manifest_state *s, size_t app, const struct finding_place *at,
			    json_t *image);

/* Add the Images of Dockerfiles that nobody names. */
void manifest_image_add_implicit(struct manifest_state *s);

/* Two Images must not give one tag. */
void manifest_image_check_tags(struct manifest_state *s);
