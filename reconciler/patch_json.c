/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON patch and JSON merge patch.
 */
#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/patch.h"

/* ---- merge patch ---- */

static void merge_into(json_t *target, const json_t *patch)
{
	const json_t *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		if (json_is_null(value))
			(void)json_object_del(target, key);
		else
			json_set(target, key, patch_merge(json_object_get(target, key), value));
	}
}

json_t *patch_merge(const json_t *doc, const json_t *patch)
{
	json_t *target;

	assert(patch);
	if (!json_is_object(patch))
		return json_clone(patch);
	target = json_is_object(doc) ? json_clone(doc) : json_object();
	merge_into(target, patch);
	return target;
}

/* ---- pointers ---- */

/* Where a pointer leads: the member or element LAST of PARENT; PARENT is NULL for the whole
 * document. */
struct place {
	json_t *parent;
	char *last;
	json_t *value; /* what is there, NULL when nothing is */
};

static void place_deinit(struct place *p)
{
	free(p->last);
}

/* The next step of a pointer, with ~1 and ~0 resolved; moves *POINTER past it. Owned by the caller.
 */
static char *next_step(const char **pointer)
{
	const char *p = *pointer + 1;
	autostrbuf step = STRBUF_INIT;

	for (; *p && *p != '/'; p++) {
		if (p[0] == '~' && (p[1] == '0' || p[1] == '1')) {
			strbuf_addc(&step, p[1] == '1' ? '/' : '~');
			p++;
		} else {
			strbuf_addc(&step, *p);
		}
	}
	*pointer = p;
	return strbuf_take(&step);
}

/* STEP as an index below N; -1 when it is none: digits without a leading zero. */
static int64_t index_of(const char *step, size_t n)
{
	int64_t i;

	if (step[0] == '0' && step[1] != '\0')
		return -1;
	return str_parse_i64(&i, step, 0, (int64_t)n - 1) < 0 ? -1 : i;
}

static json_t *child(const json_t *parent, const char *step)
{
	int64_t i;

	if (!json_is_array(parent))
		return json_object_get(parent, step);
	i = index_of(step, json_array_size(parent));
	return i < 0 ? NULL : json_array_get(parent, (size_t)i);
}

static int find_place(struct place *ret, json_t *root, const char *pointer, struct err *err)
{
	json_t *parent = NULL, *value = root;
	autofree char *last = NULL;

	if (*pointer && *pointer != '/')
		return err_invalid(err, "'%.200s' is not a JSON pointer", pointer);
	for (const char *p = pointer; *p;) {
		if (!json_is_object(value) && !json_is_array(value))
			return err_invalid(err, "there is nothing at '%.200s'", pointer);
		free(last);
		last = next_step(&p);
		parent = value;
		value = child(parent, last);
	}
	*ret = (struct place){.parent = parent, .last = TAKE_PTR(last), .value = value};
	return 0;
}

/* ---- operations ---- */

struct patching {
	json_t *root; /* owned */
	size_t copied;
};

static int op_add(struct patching *x, const char *pointer, json_t *value, struct err *err)
{
	_cleanup_(place_deinit) struct place at = {0};
	int64_t i;
	int r = find_place(&at, x->root, pointer, err);

	if (r < 0)
		return r;
	if (!at.parent) {
		json_decref(x->root);
		x->root = json_clone(value);
	} else if (json_is_object(at.parent)) {
		json_set(at.parent, at.last, json_clone(value));
	} else {
		size_t n = json_array_size(at.parent);

		i = str_eq(at.last, "-") ? (int64_t)n : index_of(at.last, n + 1);
		if (i < 0)
			return err_invalid(err, "'%.200s' is no place of a list of %zu elements",
					   pointer, n);
		if (json_array_insert_new(at.parent, (size_t)i, json_clone(value)) < 0)
			abort();
	}
	return 0;
}

static int op_remove(struct patching *x, const char *pointer, json_t **ret_value, struct err *err)
{
	_cleanup_(place_deinit) struct place at = {0};
	int r = find_place(&at, x->root, pointer, err);

	if (r < 0)
		return r;
	if (!at.value || !at.parent)
		return err_invalid(err, "there is nothing to remove at '%.200s'", pointer);
	if (ret_value)
		*ret_value = json_incref(at.value);
	if (json_is_object(at.parent))
		(void)json_object_del(at.parent, at.last);
	else
		(void)json_array_remove(at.parent,
					(size_t)index_of(at.last, json_array_size(at.parent)));
	return 0;
}

static int op_replace(struct patching *x, const char *pointer, json_t *value, struct err *err)
{
	_cleanup_(place_deinit) struct place at = {0};
	int r = find_place(&at, x->root, pointer, err);

	if (r < 0)
		return r;
	if (!at.value)
		return err_invalid(err, "there is nothing to replace at '%.200s'", pointer);
	if (!at.parent) {
		json_decref(x->root);
		x->root = json_clone(value);
	} else if (json_is_object(at.parent)) {
		json_set(at.parent, at.last, json_clone(value));
	} else {
		(void)json_array_set_new(at.parent,
					 (size_t)index_of(at.last, json_array_size(at.parent)),
					 json_clone(value));
	}
	return 0;
}

static int op_test(struct patching *x, const char *pointer, const json_t *value, struct err *err)
{
	_cleanup_(place_deinit) struct place at = {0};
	int r = find_place(&at, x->root, pointer, err);

	if (r < 0)
		return r;
	if (!at.value || !json_equal(at.value, value))
		return err_invalid(err, "testing value %.200s failed", pointer);
	return 0;
}

/* Copies can double a document with each operation. */
static int op_copy(struct patching *x, const char *from, const char *pointer, struct err *err)
{
	_cleanup_(place_deinit) struct place at = {0};
	autojson *value = NULL;
	int r = find_place(&at, x->root, from, err);

	if (r < 0)
		return r;
	if (!at.value)
		return err_invalid(err, "there is nothing to copy at '%.200s'", from);
	value = json_clone(at.value);
	x->copied += json_dumpb(value, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
	if (x->copied > PATCH_COPY_MAX_BYTES)
		return err_set(err, ERR_INVALID, E2BIG, NULL, "copies more than %u bytes",
			       PATCH_COPY_MAX_BYTES);
	return op_add(x, pointer, value, err);
}

static int op_move(struct patching *x, const char *from, const char *pointer, struct err *err)
{
	autojson *value = NULL;
	size_t n = strlen(from);
	int r;

	if (!strncmp(from, pointer, n) && pointer[n] == '/')
		return err_invalid(err, "'%.200s' cannot be moved into itself", from);
	r = op_remove(x, from, &value, err);
	return r < 0 ? r : op_add(x, pointer, value, err);
}

static int run_op(struct patching *x, const json_t *op, struct err *err)
{
	const char *name = json_path_str(op, "op", ""), *path = json_path_str(op, "path", NULL);
	const char *from = json_path_str(op, "from", NULL);
	json_t *value = json_object_get(op, "value");
	bool wants_value = str_eq(name, "add") || str_eq(name, "replace") || str_eq(name, "test");
	bool wants_from = str_eq(name, "move") || str_eq(name, "copy");

	if (!wants_value && !wants_from && !str_eq(name, "remove"))
		return err_invalid(err, "there is no operation '%.40s'", name);
	if (!path)
		return err_invalid(err, "path is missing");
	if (wants_value && !value)
		return err_invalid(err, "value is missing");
	if (wants_from && !from)
		return err_invalid(err, "from is missing");
	if (str_eq(name, "add"))
		return op_add(x, path, value, err);
	if (str_eq(name, "replace"))
		return op_replace(x, path, value, err);
	if (str_eq(name, "test"))
		return op_test(x, path, value, err);
	if (str_eq(name, "copy"))
		return op_copy(x, from, path, err);
	return str_eq(name, "move") ? op_move(x, from, path, err) : op_remove(x, path, NULL, err);
}

int patch_json(json_t **ret, const json_t *doc, const json_t *ops, struct err *err)
{
	struct patching x = {.root = json_clone(doc)};
	const json_t *op;
	size_t i;
	int r = 0;

	if (!json_is_array(ops))
		r = err_invalid(err, "a JSON patch is a list of operations");
	else if (json_array_size(ops) > PATCH_OPS_MAX)
		r = err_invalid(err, "more than %d operations", PATCH_OPS_MAX);
	for (i = 0; r == 0 && i < json_array_size(ops); i++) {
		op = json_array_get(ops, i);
		r = run_op(&x, op, err);
		if (r < 0)
			(void)err_wrap(err, "operation %zu (%s)", i, json_path_str(op, "op", "?"));
	}
	if (r < 0)
		json_decref(x.root);
	else
		*ret = x.root;
	return r;
}
