/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision as a JSON document, for workers that read manifests or build images, and back. The
 * same form of an entry is what recond-scan and recond-git send to the daemon.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "watch/revision_priv.h"

static void set_content(json_t *j, const struct revision_entry *e)
{
	json_t *text = memchr(e->content, '\0', e->size) ? NULL : json_stringn(e->content, e->size);
	autofree char *hex = NULL;

	if (text) {
		json_set(j, "content", text);
		return;
	}
	/* Not text as JSON has it: a NUL or invalid UTF-8. Rare, so the plainest form will do. */
	hex = mem_alloc(2 * e->size + 1);
	str_hex(hex, e->content, e->size);
	json_set(j, "hex", json_text(hex));
}

json_t *revision_entry_to_json(const struct revision_entry *e)
{
	json_t *j = json_object();

	json_set(j, "path", json_text(e->path));
	json_set(j, "mode", json_integer(e->mode));
	json_set(j, "size", json_integer((json_int_t)e->size));
	json_set(j, "digest", json_text(e->digest));
	if (e->real && !str_eq(e->real, e->path))
		json_set(j, "real", json_text(e->real));
	if (e->content)
		set_content(j, e);
	return j;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_decode(char **ret, const char *hex, size_t n)
{
	autofree char *out = NULL;

	if (n % 2)
		return -EINVAL;
	out = mem_alloc(n / 2 + 1);
	for (size_t i = 0; i < n / 2; i++) {
		int hi = hex_value(hex[2 * i]), lo = hex_value(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i] = (char)(hi << 4 | lo);
	}
	out[n / 2] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}

static int content_from_json(struct revision_entry *e, char **ret_decoded, const json_t *j,
			     struct err *err)
{
	const json_t *text = json_object_get(j, "content"), *hex = json_object_get(j, "hex");
	size_t len;

	if (text) {
		if (!json_is_string(text))
			return err_invalid(err, "%s: content is not a string", e->path);
		e->content = json_string_value(text);
		len = json_string_length(text);
	} else if (hex) {
		if (!json_is_string(hex) || json_string_length(hex) > 2 * REVISION_KEPT_FILE_MAX ||
		    hex_decode(ret_decoded, json_string_value(hex), json_string_length(hex)) < 0)
			return err_invalid(err, "%s: content is not hexadecimal", e->path);
		e->content = *ret_decoded;
		len = json_string_length(hex) / 2;
	} else {
		return 0;
	}
	if (len != e->size)
		return err_invalid(err, "%s: size and content differ", e->path);
	return 0;
}

int revision_entry_from_json(struct revision_entry *ret, char **ret_decoded, const json_t *j,
			     struct err *err)
{
	struct revision_entry e = {0};
	const char *digest = json_string_value(json_object_get(j, "digest"));
	json_t *mode = json_object_get(j, "mode"), *size = json_object_get(j, "size");
	json_t *real = json_object_get(j, "real");

	e.path = json_string_value(json_object_get(j, "path"));
	e.real = json_string_value(real);
	if (!e.path || (real && !e.real) || !digest || strlen(digest) >= sizeof(e.digest) ||
	    !json_is_integer(mode) || json_integer_value(mode) < 0 ||
	    json_integer_value(mode) > 0xffff || !json_is_integer(size) ||
	    json_integer_value(size) < 0)
		return err_invalid(err, "malformed entry of a revision");
	e.mode = (uint32_t)json_integer_value(mode);
	e.size = (uint64_t)json_integer_value(size);
	memcpy(e.digest, digest, strlen(digest));
	if (content_from_json(&e, ret_decoded, j, err) < 0)
		return err->code;
	*ret = e;
	return 0;
}

json_t *revision_to_json(const struct revision *rev)
{
	json_t *j = json_object(), *entries = json_array();

	json_set(j, "kind", json_text(revision_kind_name(rev->kind)));
	json_set(j, "id", json_text(rev->id));
	json_set(j, "tree", json_text(rev->tree));
	json_set(j, "source", json_text(rev->source));
	json_set(j, "contentDir", rev->content_dir ? json_text(rev->content_dir) : json_null());
	for (size_t i = 0; i < rev->n_entries; i++)
		json_array_append_new(entries, revision_entry_to_json(&rev->entries[i]));
	json_set(j, "entries", entries);
	return j;
}

static int kind_from_json(enum revision_kind *ret, const json_t *j)
{
	const char *name = json_string_value(json_object_get(j, "kind"));

	for (enum revision_kind kind = 0; kind < REVISION_KIND_N_; kind++) {
		if (str_eq(name, revision_kind_name(kind))) {
			*ret = kind;
			return 0;
		}
	}
	return -EINVAL;
}

static int entries_from_json(struct revision_builder *b, const json_t *entries, struct err *err)
{
	const json_t *item;
	size_t i;
	int r;

	json_array_foreach(entries, i, item) {
		struct revision_entry e;
		autofree char *decoded = NULL;

		r = revision_entry_from_json(&e, &decoded, item, err);
		if (r < 0)
			return r;
		r = revision_builder_add(b, &e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int revision_from_json(struct revision **ret, const json_t *j, struct err *err)
{
	_cleanup_(revision_builder_freep) struct revision_builder *b = revision_builder_new(0);
	_cleanup_(revision_unrefp) struct revision *rev = NULL;
	const char *id = json_string_value(json_object_get(j, "id"));
	const char *source = json_string_value(json_object_get(j, "source"));
	const json_t *entries = json_object_get(j, "entries"),
		     *dir = json_object_get(j, "contentDir");
	struct err local = {0};
	enum revision_kind kind;
	int r;

	err = err ? err : &local;
	if (kind_from_json(&kind, j) < 0 || !id || strlen(id) > REVISION_PATH_MAX || !source ||
	    strlen(source) > REVISION_PATH_MAX || !json_is_array(entries) ||
	    json_array_size(entries) > REVISION_ENTRIES_MAX ||
	    (dir && !json_is_null(dir) && !json_is_string(dir)))
		return err_invalid(err, "malformed revision");
	r = entries_from_json(b, entries, err);
	if (r < 0)
		return r;
	r = revision_builder_finish(&rev, b, kind, id, source, err);
	if (r < 0)
		return r;
	if (!str_eq(rev->tree, json_string_value(json_object_get(j, "tree"))))
		return err_invalid(err, "tree digest and content of the revision differ");
	free(rev->content_dir);
	rev->content_dir = mem_strdup(json_string_value(dir));
	*ret = TAKE_PTR(rev);
	return 0;
}
