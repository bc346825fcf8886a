/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events composed into JSON. Only the event interface is used: libyaml has no nesting
 * limit and is quadratic in flow nesting, so the depth is checked before the next event is asked
 * for; aliases are expanded by us, within a budget. What a file is cut into is yaml.c's business.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/scalar.h"
#include "reconciler/yaml_priv.h"

/* A node under construction: its value, its place, and whether it is a plain "<<". */
struct node {
	json_t *value;
	struct mark mark;
	struct scalar scalar;
	bool is_scalar;
	bool is_merge;
	const char *problem; /* why VALUE is NULL: it may still be a key */
};

static int node_read(struct yaml_reader *r, struct node *ret, yaml_event_t *event, int depth);

static void node_deinit(struct node *node)
{
	json_decref(node->value);
	node->value = NULL;
	mark_deinit(&node->mark);
	scalar_deinit(&node->scalar);
}

int yaml_fail_at(struct yaml_reader *r, unsigned int line, unsigned int column, const char *fmt,
		 ...)
{
	struct yaml_file *f = r->file;
	char text[512];
	va_list ap;

	if (f->n_errors > YAML_MAX_ERRORS)
		return -EINVAL;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	GROW(f->errors, f->cap_errors, f->n_errors + 1);
	f->errors[f->n_errors++] = (struct yaml_error){
		.line = line,
		.column = column,
		.message = mem_strdup(f->n_errors == YAML_MAX_ERRORS ? "more errors follow" : text),
	};
	return -EINVAL;
}

/* The place of a libyaml mark in the whole file. */
static void place(const struct yaml_reader *r, const yaml_mark_t *m, unsigned int *ret_line,
		  unsigned int *ret_column)
{
	*ret_line = r->first_line + (unsigned int)m->line;
	*ret_column = (unsigned int)m->column + 1;
}

static int fail(struct yaml_reader *r, const yaml_mark_t *m, const char *problem)
{
	unsigned int line, column;

	place(r, m, &line, &column);
	return yaml_fail_at(r, line, column, "%s", problem);
}

/* Reader errors carry a byte offset only; count the lines. */
static int fail_reader(struct yaml_reader *r)
{
	size_t offset = r->parser.problem_offset;
	unsigned int line = r->first_line, column = 1;

	for (size_t i = 0; i < offset && i < r->len; i++) {
		if (r->text[i] == '\n') {
			line++;
			column = 0;
		}
		column += ((unsigned char)r->text[i] & 0xc0) != 0x80;
	}
	return yaml_fail_at(r, line, column, "%s (byte 0x%02x)", r->parser.problem,
			    offset < r->len ? (unsigned char)r->text[offset] : 0);
}

/* The byte at the mark M, 0 beyond the end. Columns count characters, so this is right for ASCII
 * lines only. */
static char char_at(const struct yaml_reader *r, const yaml_mark_t *m)
{
	size_t i = 0;

	for (size_t line = 0; line < m->line && i < r->len; i++)
		line += r->text[i] == '\n';
	return i + m->column < r->len ? r->text[i + m->column] : 0;
}

/* libyaml says "while <context>, <problem>"; the problem's place is the better one. */
static int fail_parser(struct yaml_reader *r)
{
	const yaml_parser_t *p = &r->parser;
	unsigned int line, column;
	const char *hint = "";

	if (p->error == YAML_READER_ERROR)
		return fail_reader(r);
	if (p->error == YAML_MEMORY_ERROR || !p->problem)
		return yaml_fail_at(r, r->first_line, 1, "not readable");
	place(r, &p->problem_mark, &line, &column);
	if (char_at(r, &p->problem_mark) == '\t')
		hint = " (YAML is indented by spaces, not tabs)";
	if (!p->context)
		return yaml_fail_at(r, line, column, "%s%s", p->problem, hint);
	return yaml_fail_at(r, line, column, "%s %s (which began in line %u)%s", p->problem,
			    p->context, r->first_line + (unsigned int)p->context_mark.line, hint);
}

/* The next event, owned by the caller after 0. */
static int next_event(struct yaml_reader *r, yaml_event_t *ret)
{
	if (++r->events > YAML_MAX_EVENTS)
		return fail(r, &r->parser.mark, "the file has too many nodes");
	if (!yaml_parser_parse(&r->parser, ret))
		return fail_parser(r);
	return 0;
}

/* ---- anchors and aliases ---- */

static void anchors_reset(struct yaml_reader *r)
{
	for (size_t i = 0; i < r->n_anchors; i++) {
		free(r->anchors[i].name);
		json_decref(r->anchors[i].value);
	}
	r->n_anchors = 0;
}

/* Note the anchor of a node that begins. 0 with *ret_index (-1: it has none). */
static int anchor_open(struct yaml_reader *r, int *ret_index, const yaml_char_t *name,
		       const yaml_mark_t *m)
{
	*ret_index = -1;
	if (!name)
		return 0;
	if (r->n_anchors == YAML_MAX_ANCHORS)
		return fail(r, m, "the document has too many anchors");
	*ret_index = (int)r->n_anchors;
	r->anchors[r->n_anchors++] = (struct yaml_anchor){.name = mem_strdup((const char *)name)};
	return 0;
}

static void anchor_close(struct yaml_reader *r, int index, json_t *value)
{
	if (index >= 0)
		r->anchors[index].value = json_incref(value);
}

/* Count the nodes and bytes of J into the alias budget, stopping when it is spent. */
static int budget_take(struct yaml_reader *r, const json_t *j)
{
	const json_t *v;
	const char *key;
	size_t i;

	if (json_is_string(j))
		r->alias_bytes += json_string_length(j);
	if (++r->alias_nodes > YAML_MAX_ALIAS_NODES || r->alias_bytes > YAML_MAX_ALIAS_BYTES)
		return -E2BIG;
	json_array_foreach(j, i, v) {
		if (budget_take(r, v) < 0)
			return -E2BIG;
	}
	json_object_foreach((json_t *)j, key, v) {
		r->alias_bytes += strlen(key);
		if (budget_take(r, v) < 0)
			return -E2BIG;
	}
	return 0;
}

static int alias_read(struct yaml_reader *r, struct node *ret, const yaml_event_t *event, int depth)
{
	const char *name = (const char *)event->data.alias.anchor;
	json_t *value = NULL;
	char text[256];
	size_t i;

	for (i = r->n_anchors; i > 0; i--)
		if (str_eq(r->anchors[i - 1].name, name))
			break;
	if (i == 0) {
		(void)snprintf(text, sizeof(text), "there is no anchor '%.200s'", name);
		return fail(r, &event->start_mark, text);
	}
	value = r->anchors[i - 1].value;
	if (!value) {
		(void)snprintf(text, sizeof(text), "the anchor '%.200s' contains itself", name);
		return fail(r, &event->start_mark, text);
	}
	if (budget_take(r, value) < 0)
		return fail(r, &event->start_mark, "aliases expand to too much");
	if (depth + yaml_depth(value) > YAML_MAX_DEPTH)
		return fail(r, &event->start_mark, "nested too deeply");
	ret->value = json_clone(value);
	assert(ret->value);
	return 0;
}

/* ---- nodes ---- */

/* "! 12" is a string for kubectl, but libyaml has dropped the tag: only the extent of the node
 * still shows it. */
static bool lost_tag(const yaml_event_t *event)
{
	size_t extent = event->end_mark.index - event->start_mark.index;

	return !event->data.scalar.tag && !event->data.scalar.anchor &&
	       extent > event->data.scalar.length;
}

static int scalar_read(struct yaml_reader *r, struct node *ret, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	size_t n = event->data.scalar.length;
	bool plain = event->data.scalar.plain_implicit;
	const char *problem = NULL;

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || lost_tag(event))
		plain = false;
	if (scalar_resolve(&ret->scalar, &problem, tag, plain, text, n) < 0)
		return fail(r, &event->start_mark, problem);
	ret->is_scalar = true;
	ret->is_merge = plain && !tag && str_eq(text, "<<");
	ret->value = scalar_to_json(&ret->scalar, &ret->problem);
	return 0;
}

static int sequence_read(struct yaml_reader *r, struct node *ret, int depth)
{
	int result = 0;

	ret->value = json_array();
	while (result >= 0) {
		struct node item = {.value = NULL};
		yaml_event_t event;

		result = next_event(r, &event);
		if (result < 0)
			break;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			break;
		}
		result = node_read(r, &item, &event, depth + 1);
		if (result >= 0 && !item.value)
			(void)yaml_fail_at(r, item.mark.line, item.mark.column, "%s", item.problem);
		if (result >= 0 && item.value) {
			(void)json_array_append_new(ret->value, TAKE_PTR(item.value));
			(void)mark_add(&ret->mark, &item.mark);
		}
		node_deinit(&item);
	}
	return result;
}

/* A mapping under construction. */
struct mapping {
	struct node *node;
	json_t *lines; /* explicit keys and the lines they stand in */
};

/* Put one member into M; what an earlier merge put there is replaced. */
static void member_put(struct mapping *m, const char *key, json_t *value, struct mark *mark)
{
	json_set(m->node->value, key, value);
	free(mark->key);
	mark->key = mem_strdup(key);
	(void)mark_add(&m->node->mark, mark);
}

/* All members of SOURCE, whose place is that of the merge. Later ones win, as with kubectl. */
static void merge_one(struct mapping *m, const json_t *source, const struct mark *at)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)source, key, v) {
		struct mark mark = {.line = at->line,
				    .column = at->column,
				    .key_line = at->line,
				    .key_column = at->column};

		member_put(m, key, json_incref(v), &mark);
	}
}

static int merge(struct yaml_reader *r, struct mapping *m, const struct node *value)
{
	const json_t *item;
	size_t i;

	if (json_is_object(value->value)) {
		merge_one(m, value->value, &value->mark);
		return 0;
	}
	if (!json_is_array(value->value))
		return yaml_fail_at(r, value->mark.line, value->mark.column,
				    "'<<' merges a mapping or a list of mappings");
	json_array_foreach(value->value, i, item) {
		if (!json_is_object(item))
			return yaml_fail_at(r, value->mark.line, value->mark.column,
					    "'<<' merges a mapping or a list of mappings");
	}
	/* The first mapping of the list wins. */
	for (i = json_array_size(value->value); i > 0; i--)
		merge_one(m, json_array_get(value->value, i - 1), &value->mark);
	return 0;
}

/* The text of a key node, owned by the caller; NULL after an error was noted. */
static char *key_text(struct yaml_reader *r, const struct node *key)
{
	const char *problem = "a key must be a scalar";
	char *text = NULL;

	if (key->is_scalar)
		text = scalar_to_key(&key->scalar, &problem);
	else if (json_is_string(key->value)) /* an alias of a string */
		text = mem_strdup(json_string_value(key->value));
	if (text && strlen(text) > YAML_MAX_KEY_BYTES) {
		problem = "the key is too long";
		free(text);
		text = NULL;
	}
	if (!text)
		(void)yaml_fail_at(r, key->mark.line, key->mark.column, "%s", problem);
	return text;
}

/* Put the member; a key that stands there twice is an error, after which reading goes on. */
static int member_add(struct yaml_reader *r, struct mapping *m, const struct node *key,
		      struct node *value)
{
	autofree char *text = NULL;
	json_int_t before;
	int result = 0;

	if (key->is_merge)
		return merge(r, m, value);
	text = key_text(r, key);
	if (!text)
		return -EINVAL;
	before = json_integer_value(json_object_get(m->lines, text));
	if (before)
		result = yaml_fail_at(r, key->mark.line, key->mark.column,
				      "the key '%.200s' is there twice, first in line %lld", text,
				      (long long)before);
	if (!value->value)
		return yaml_fail_at(r, value->mark.line, value->mark.column, "%s", value->problem);
	json_set(m->lines, text, json_integer(key->mark.line));
	value->mark.key_line = key->mark.line;
	value->mark.key_column = key->mark.column;
	member_put(m, text, TAKE_PTR(value->value), &value->mark);
	return result;
}

/* One "key: value". 1 at the end of the mapping, 0 after a member (also a bad one), -EINVAL to
 * stop. */
static int member_read(struct yaml_reader *r, struct mapping *m, int depth)
{
	struct node key = {.value = NULL}, value = {.value = NULL};
	yaml_event_t event;
	int result;

	result = next_event(r, &event);
	if (result < 0)
		return result;
	if (event.type == YAML_MAPPING_END_EVENT) {
		yaml_event_delete(&event);
		return 1;
	}
	result = node_read(r, &key, &event, depth + 1);
	if (result >= 0)
		result = next_event(r, &event);
	if (result >= 0)
		result = node_read(r, &value, &event, depth + 1);
	if (result >= 0)
		(void)member_add(r, m, &key, &value);
	node_deinit(&key);
	node_deinit(&value);
	return result;
}

static int mapping_read(struct yaml_reader *r, struct node *ret, int depth)
{
	autojson *lines = json_object();
	struct mapping m = {.node = ret, .lines = lines};
	int result;

	ret->value = json_object();
	do
		result = member_read(r, &m, depth);
	while (result == 0);
	return result < 0 ? result : 0;
}

/* Read the node that EVENT begins (and delete EVENT). RET is to be deinited in either case. */
static int node_read(struct yaml_reader *r, struct node *ret, yaml_event_t *event, int depth)
{
	const yaml_char_t *name = NULL;
	int anchor, result;

	place(r, &event->start_mark, &ret->mark.line, &ret->mark.column);
	ret->mark.key_line = ret->mark.line;
	ret->mark.key_column = ret->mark.column;
	if (depth > YAML_MAX_DEPTH) {
		result = fail(r, &event->start_mark, "nested too deeply");
		yaml_event_delete(event);
		return result;
	}
	if (event->type == YAML_SCALAR_EVENT)
		name = event->data.scalar.anchor;
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		name = event->data.sequence_start.anchor;
	else if (event->type == YAML_MAPPING_START_EVENT)
		name = event->data.mapping_start.anchor;
	result = anchor_open(r, &anchor, name, &event->start_mark);
	if (result >= 0 && event->type == YAML_SCALAR_EVENT)
		result = scalar_read(r, ret, event);
	else if (result >= 0 && event->type == YAML_SEQUENCE_START_EVENT)
		result = sequence_read(r, ret, depth);
	else if (result >= 0 && event->type == YAML_MAPPING_START_EVENT)
		result = mapping_read(r, ret, depth);
	else if (result >= 0)
		result = alias_read(r, ret, event, depth);
	if (result >= 0)
		anchor_close(r, anchor, ret->value);
	yaml_event_delete(event);
	return result;
}

/* The node of a document and the end of it. */
static int document_read(struct yaml_reader *r)
{
	struct yaml_file *f = r->file;
	size_t errors_before = f->n_errors;
	struct node node = {.value = NULL};
	yaml_event_t event;
	int result;

	result = next_event(r, &event);
	if (result >= 0)
		result = node_read(r, &node, &event, 1);
	if (result >= 0 && !node.value)
		(void)yaml_fail_at(r, node.mark.line, node.mark.column, "%s", node.problem);
	if (result >= 0 && f->n_errors == errors_before && !json_is_null(node.value)) {
		GROW(f->documents, f->cap_documents, f->n_documents + 1);
		f->documents[f->n_documents++] =
			(struct yaml_document){.value = TAKE_PTR(node.value), .mark = node.mark};
		node.mark = (struct mark){.n = 0};
	}
	node_deinit(&node);
	anchors_reset(r);
	return result;
}

/* One event between documents. 1 at the end of the stream. */
static int stream_step(struct yaml_reader *r)
{
	yaml_event_t event;
	int result;

	result = next_event(r, &event);
	if (result < 0)
		return result;
	if (event.type == YAML_STREAM_END_EVENT)
		result = 1;
	else if (event.type == YAML_DOCUMENT_START_EVENT && ++r->documents > YAML_MAX_DOCUMENTS)
		result = fail(r, &event.start_mark, "the file has too many documents");
	else if (event.type == YAML_DOCUMENT_START_EVENT)
		result = document_read(r);
	yaml_event_delete(&event);
	return result;
}

int yaml_piece_read(struct yaml_reader *r, const char *text, size_t n, unsigned int first_line)
{
	int result;

	r->text = text;
	r->len = n;
	r->first_line = first_line;
	if (!yaml_parser_initialize(&r->parser))
		abort();
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, n);
	do
		result = stream_step(r);
	while (result == 0);
	yaml_parser_delete(&r->parser);
	anchors_reset(r);
	return result < 0 ? result : 0;
}
