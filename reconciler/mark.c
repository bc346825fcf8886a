/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of places and the printing of paths.
 */
#include "reconciler/mark.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void mark_deinit(struct mark *m)
{
	for (size_t i = 0; i < m->n; i++)
		mark_deinit(&m->children[i]);
	free(m->children);
	free(m->key);
	m->children = NULL;
	m->key = NULL;
	m->n = m->cap = 0;
}

struct mark *mark_add(struct mark *m, struct mark *child)
{
	GROW(m->children, m->cap, m->n + 1);
	if (child->key)
		child->hash = str_fnv32(STR_FNV32_INIT, child->key, strlen(child->key));
	m->children[m->n] = *child;
	*child = (struct mark){.line = child->line};
	return &m->children[m->n++];
}

/* The child behind one step. Of several with one key the last counts: it gave the value. */
static const struct mark *child_find(const struct mark *m, const struct path *step)
{
	uint32_t hash;

	if (!step->key)
		return step->index < m->n && !m->children[step->index].key
			       ? &m->children[step->index]
			       : NULL;
	hash = str_fnv32(STR_FNV32_INIT, step->key, strlen(step->key));
	for (size_t i = m->n; i > 0; i--)
		if (m->children[i - 1].hash == hash && str_eq(m->children[i - 1].key, step->key))
			return &m->children[i - 1];
	return NULL;
}

/* Walk down to PATH; *ret_exact tells whether all steps were found. */
static const struct mark *descend(const struct mark *root, const struct path *path, bool *ret_exact)
{
	const struct mark *parent, *child;

	if (!path) {
		*ret_exact = true;
		return root;
	}
	parent = descend(root, path->up, ret_exact);
	if (!*ret_exact)
		return parent;
	child = child_find(parent, path);
	*ret_exact = child != NULL;
	return child ? child : parent;
}

const struct mark *mark_find(const struct mark *root, const struct path *path)
{
	bool exact = false;

	assert(root);
	return descend(root, path, &exact);
}

void path_print(struct strbuf *out, const struct path *path)
{
	if (!path)
		return;
	path_print(out, path->up);
	if (!path->key) {
		strbuf_addf(out, "[%zu]", path->index);
		return;
	}
	if (*path->key == '\0' || path->key[strcspn(path->key, "./[]\" ")]) {
		strbuf_adds(out, "[\"");
		strbuf_add_escaped(out, path->key, strlen(path->key));
		strbuf_adds(out, "\"]");
		return;
	}
	if (path->up)
		strbuf_addc(out, '.');
	strbuf_add_escaped(out, path->key, strlen(path->key));
}
