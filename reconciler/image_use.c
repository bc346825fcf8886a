/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over every document the policy keeps. It knows no document's form but the few members that
 * can name an image, so that a set that is kept somewhere new is seen, too.
 */
#include "reconciler/image_use.h"

#include <assert.h>
#include <string.h>

#include "reconciler/sync_priv.h"

static bool is_digest(const char *s)
{
	const char *hex = s ? str_skip_prefix(s, "sha256:") : NULL;

	return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

/* The pins of a template: {"container": digest} as text. */
static void look_at_pins(json_t *digests, const char *text)
{
	autojson *pins = json_loads(text, 0, NULL);
	const char *container;
	json_t *digest;

	json_object_foreach(pins, container, digest) {
		if (is_digest(json_string_value(digest)))
			json_set(digests, json_string_value(digest), json_true());
	}
}

static void look_at_member(json_t *digests, json_t *references, const char *key,
			   const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text)
		return;
	if (str_eq(key, SYNC_ANNOTATION_DIGESTS))
		look_at_pins(digests, text);
	else if (str_eq(key, "image") && *text)
		json_set(references, text, json_true());
	else if ((str_eq(key, "imageID") || str_eq(key, "digest")) && is_digest(text))
		json_set(digests, text, json_true());
}

void image_use_look(json_t *digests, json_t *references, const json_t *j)
{
	const json_t *value;
	const char *key;
	size_t i;

	json_array_foreach(j, i, value)
		image_use_look(digests, references, value);
	json_object_foreach((json_t *)(uintptr_t)j, key, value) {
		look_at_member(digests, references, key, value);
		image_use_look(digests, references, value);
	}
}

struct use {
	json_t *digests;
	json_t *references;
};

static void look_at_object(const json_t *object, void *data)
{
	struct use *u = data;

	image_use_look(u->digests, u->references, object);
}

static void look_at_doc(const char *key UNUSED, const json_t *doc, void *data)
{
	look_at_object(doc, data);
}

/* What is in memory only: a set that is resolved but not begun, and builds. */
static void look_at_apps(struct use *u, const struct apps *a)
{
	for (size_t i = 0; i < a->n_apps; i++)
		image_use_look(u->digests, u->references, a->apps[i]->resolved);
	for (size_t i = 0; i < a->n_builds; i++) {
		const struct app_build *b = a->builds[i];
		json_t *base;
		size_t n;

		if (is_digest(b->digest))
			json_set(u->digests, b->digest, json_true());
		json_array_foreach(b->bases, n, base) {
			if (json_is_string(base))
				json_set(u->references, json_string_value(base), json_true());
		}
	}
}

static json_t *keys_of(json_t *set)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(set, key, value)
		json_array_append_new(list, json_text(key));
	json_decref(set);
	return list;
}

json_t *image_use_collect(struct reconciler *r)
{
	struct use u = {json_object(), json_object()};

	assert(r->store && r->apps);
	for (int kind = 0; kind < KIND_N_; kind++) {
		if ((enum kind)kind != KIND_EVENT && (enum kind)kind != KIND_CONFIGMAP &&
		    (enum kind)kind != KIND_SECRET)
			store_each(r->store, (enum kind)kind, NULL, look_at_object, &u);
	}
	store_doc_each(r->store, NULL, look_at_doc, &u);
	look_at_apps(&u, r->apps);
	return json_pack("{s:o, s:o}", "digests", keys_of(u.digests), "references",
			 keys_of(u.references));
}
