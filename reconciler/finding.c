/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering, ordering and printing of findings.
 */
#include "reconciler/finding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

void findings_deinit(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->items[i].file);
		free(f->items[i].text);
	}
	free(f->items);
	*f = (struct findings){.n = 0};
}

bool findings_full(const struct findings *f)
{
	return f->n > FINDINGS_MAX;
}

void findings_add_text(struct findings *f, const char *file, unsigned int line, unsigned int column,
		       const char *text)
{
	if (findings_full(f))
		return;
	GROW(f->items, f->cap, f->n + 1);
	f->items[f->n] = (struct finding){
		.file = mem_strdup(file),
		.line = line,
		.column = column,
		.text = mem_strdup(f->n == FINDINGS_MAX ? "there is more" : text),
	};
	f->n++;
}

static void add(struct findings *f, const struct finding_place *at, const struct path *path,
		bool key, const char *message)
{
	const struct mark *m;
	autostrbuf text = STRBUF_INIT;

	if (findings_full(f))
		return;
	m = at->mark ? mark_find(at->mark, path) : NULL;
	strbuf_adds(&text, at->object);
	if (path) {
		strbuf_adds(&text, ": ");
		path_print(&text, path);
	}
	strbuf_adds(&text, ": ");
	strbuf_adds(&text, message);
	if (m && key)
		findings_add_text(f, at->file, m->key_line, m->key_column, strbuf_str(&text));
	else
		findings_add_text(f, at->file, m ? m->line : 0, m ? m->column : 0,
				  strbuf_str(&text));
}

void findings_add(struct findings *f, const struct finding_place *at, const struct path *path,
		  const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(f, at, path, false, text);
}

void findings_add_key(struct findings *f, const struct finding_place *at, const struct path *path,
		      const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(f, at, path, true, text);
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int r = strcmp(x->file ? x->file : "", y->file ? y->file : "");

	if (r == 0)
		r = (x->line > y->line) - (x->line < y->line);
	if (r == 0)
		r = (x->column > y->column) - (x->column < y->column);
	return r ? r : strcmp(x->text, y->text);
}

json_t *findings_to_json(struct findings *f)
{
	json_t *list = json_array();

	if (f->n)
		qsort(f->items, f->n, sizeof(*f->items), compare);
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->items[i];
		autostrbuf line = STRBUF_INIT;

		if (x->file)
			strbuf_add_escaped(&line, x->file, strlen(x->file));
		if (x->file && x->line)
			strbuf_addf(&line, ":%u:%u", x->line, x->column);
		if (x->file)
			strbuf_adds(&line, ": ");
		strbuf_add_escaped(&line, x->text, strlen(x->text));
		if (json_array_append_new(list, json_text(strbuf_str(&line))) < 0)
			abort();
	}
	return list;
}
