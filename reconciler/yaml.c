/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as a sequence of documents: cut at document markers first, as kubectl does, so that a
 * broken document leaves the others readable; JSON that is no YAML (several values in a row,
 * surrogate pairs) goes to jansson.
 */
#include "reconciler/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "reconciler/yaml_priv.h"

static void documents_drop(struct yaml_file *f)
{
	for (size_t i = 0; i < f->n_documents; i++) {
		json_decref(f->documents[i].value);
		mark_deinit(&f->documents[i].mark);
	}
	f->n_documents = 0;
}

static void errors_drop(struct yaml_file *f)
{
	for (size_t i = 0; i < f->n_errors; i++)
		free(f->errors[i].message);
	f->n_errors = 0;
}

void yaml_file_deinit(struct yaml_file *f)
{
	documents_drop(f);
	errors_drop(f);
	free(f->documents);
	free(f->errors);
	*f = (struct yaml_file){.n_documents = 0};
}

/* Is the line at TEXT (N bytes left in the file) the marker MARK ("---", "..."), alone or before a
 * space? */
static bool is_marker(const char *text, size_t n, const char *mark)
{
	return n >= 3 && !memcmp(text, mark, 3) && (n == 3 || strchr(" \t\r\n", text[3]));
}

/* Directives come first in a piece; libyaml is quadratic in them and Kubernetes refuses them. */
static bool begins_with_directive(const char *text, size_t n, unsigned int *line)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '%' && (i == 0 || text[i - 1] == '\n'))
			return true;
		if (text[i] == '#')
			while (i + 1 < n && text[i + 1] != '\n')
				i++;
		else if (text[i] == '\n')
			(*line)++;
		else if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	}
	return false;
}

static void piece_read(struct yaml_reader *r, const char *text, size_t n, unsigned int line)
{
	unsigned int at = line;

	if (n == 0)
		return;
	if (begins_with_directive(text, n, &at))
		(void)yaml_fail_at(r, at, 1,
				   "directives (lines beginning with '%%') are not supported");
	else
		(void)yaml_piece_read(r, text, n, line);
}

static void pieces_read(struct yaml_reader *r, const char *text, size_t n)
{
	unsigned int line = 1, first_line = 1;
	size_t begin = 0;

	for (size_t i = 0; i < n && r->file->n_errors <= YAML_MAX_ERRORS; line++) {
		const char *end = memchr(text + i, '\n', n - i);
		size_t next = end ? (size_t)(end - text) + 1 : n;

		if (is_marker(text + i, n - i, "---")) {
			piece_read(r, text + begin, i - begin, first_line);
			begin = i;
			first_line = line;
		} else if (is_marker(text + i, n - i, "...")) {
			piece_read(r, text + begin, i - begin, first_line);
			begin = next;
			first_line = line + 1;
		}
		i = next;
	}
	piece_read(r, text + begin, n - begin, first_line);
}

size_t yaml_depth(const json_t *j)
{
	const json_t *v;
	const char *key;
	size_t i, deepest = 0, d;

	json_array_foreach(j, i, v) {
		d = yaml_depth(v);
		deepest = d > deepest ? d : deepest;
	}
	json_object_foreach((json_t *)j, key, v) {
		d = yaml_depth(v);
		deepest = d > deepest ? d : deepest;
	}
	return deepest + 1;
}

/* Skip white space, counting lines. */
static size_t skip_space(const char *text, size_t i, size_t n, unsigned int *line)
{
	for (; i < n && strchr(" \t\r\n", text[i]) && text[i]; i++)
		*line += text[i] == '\n';
	return i;
}

/* Read TEXT as JSON values in a row, whose places are known by their first line only. False: it is
 * no such thing. */
static bool json_read(struct yaml_file *f, const char *text, size_t n)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK;
	unsigned int line = 1;
	size_t i = skip_space(text, 0, n, &line);

	if (i == n || text[i] != '{')
		return false;
	while (i < n) {
		json_error_t e;
		json_t *j = json_loadb(text + i, n - i, flags, &e);
		struct mark mark = {.line = line, .column = 1, .key_line = line, .key_column = 1};

		if (!j || yaml_depth(j) > YAML_MAX_DEPTH || f->n_documents == YAML_MAX_DOCUMENTS) {
			json_decref(j);
			return false;
		}
		GROW(f->documents, f->cap_documents, f->n_documents + 1);
		f->documents[f->n_documents++] = (struct yaml_document){.value = j, .mark = mark};
		for (size_t end = i + (size_t)e.position; i < end; i++)
			line += text[i] == '\n';
		i = skip_space(text, i, n, &line);
	}
	return true;
}

int yaml_read(struct yaml_file *f, const char *text, size_t n)
{
	struct yaml_file json = {.n_documents = 0};
	autofree struct yaml_reader *r = NEW(struct yaml_reader);

	*f = (struct yaml_file){.n_documents = 0};
	r->file = f;
	if (n > YAML_MAX_BYTES)
		return yaml_fail_at(r, 1, 1, "the file is longer than %u bytes", YAML_MAX_BYTES);
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		n -= 3;
	}
	pieces_read(r, text, n);
	if (f->n_errors == 0)
		return 0;
	if (!json_read(&json, text, n)) {
		yaml_file_deinit(&json);
		return -EINVAL;
	}
	yaml_file_deinit(f);
	*f = json;
	return 0;
}
