/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond get. The daemon computes the cells of tables; this file chooses columns, asks, and prints
 * in the forms of -o.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/table_view.h"
#include "cmd/target.h"

enum form { FORM_TABLE, FORM_WIDE, FORM_JSON, FORM_YAML, FORM_NAME };

struct get {
	const struct command_line *line;
	enum form form;
	const char *ns; /* NULL: all */
	struct target_list targets;
	size_t printed; /* objects so far */
	int status;
	json_t *items; /* gathered for json and yaml */
};

static enum form form_of(const struct command_line *line)
{
	static const struct {
		const char *name;
		enum form form;
	} forms[] = {
		{"wide", FORM_WIDE}, {"json", FORM_JSON}, {"yaml", FORM_YAML}, {"name", FORM_NAME}};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (str_eq(line->values[COMMAND_OUTPUT], forms[i].name))
			return forms[i].form;
	}
	return FORM_TABLE;
}

static bool is_table(const struct get *g)
{
	return g->form == FORM_TABLE || g->form == FORM_WIDE;
}

static void add_selectors(struct strbuf *path, const struct get *g)
{
	target_add_query(path, "labelSelector", g->line->values[COMMAND_SELECTOR]);
	target_add_query(path, "fieldSelector", g->line->values[COMMAND_FIELD_SELECTOR]);
}

static void init_view(struct table_view *v, const struct get *g, enum kind kind)
{
	*v = (struct table_view){
		.kind = kind,
		.wide = g->form == FORM_WIDE,
		.namespaces = !g->ns && kind_info(kind)->namespaced,
		.headers = !g->line->values[COMMAND_NO_HEADERS],
		.prefix = !g->targets.single_kind,
	};
}

static void print_table(struct get *g, enum kind kind, const json_t *table)
{
	_cleanup_(table_view_deinit) struct table_view view = {};
	autostrbuf out = STRBUF_INIT;
	size_t n = json_array_size(json_object_get(table, "rows"));

	if (n == 0)
		return;
	if (g->printed > 0 && !g->targets.single_kind && !g->line->values[COMMAND_NO_HEADERS])
		strbuf_addc(&out, '\n');
	init_view(&view, g, kind);
	table_view_add(&view, table);
	table_view_flush(&view, &out);
	(void)fputs(strbuf_str(&out), stdout);
	g->printed += n;
}

static void print_name(enum kind kind, const json_t *object)
{
	autofree char *name = target_describe(kind, json_path_str(object, "metadata.name", ""));

	(void)puts(name);
}

static void take_object(struct get *g, enum kind kind, json_t *object)
{
	g->printed++;
	if (g->form == FORM_NAME)
		print_name(kind, object);
	else
		(void)json_array_append(g->items, object);
}

static void take_document(struct get *g, const struct target *t, json_t *document)
{
	size_t i;
	json_t *object;

	if (is_table(g)) {
		print_table(g, t->kind, document);
	} else if (t->name) {
		take_object(g, t->kind, document);
	} else {
		json_array_foreach(json_object_get(document, "items"), i, object)
			take_object(g, t->kind, object);
	}
}

static void get_target(struct get *g, const struct target *t)
{
	autostrbuf path = STRBUF_INIT;
	autojson *document = NULL;
	int status;

	target_add_path(&path, t, g->ns);
	if (!t->name)
		add_selectors(&path, g);
	status = fetch_json(&document, g->line, strbuf_str(&path),
			    is_table(g) ? FETCH_TABLE : FETCH_JSON, NULL);
	if (status == COMMAND_EXIT_OK)
		take_document(g, t, document);
	else
		g->status = status;
}

/* Several tables of one kind (get pods a b) become one. */
static void get_named_of_kind(struct get *g)
{
	_cleanup_(table_view_deinit) struct table_view view;
	autostrbuf out = STRBUF_INIT;

	init_view(&view, g, g->targets.items[0].kind);
	for (size_t i = 0; i < g->targets.n; i++) {
		autostrbuf path = STRBUF_INIT;
		autojson *document = NULL;
		int status;

		target_add_path(&path, &g->targets.items[i], g->ns);
		status = fetch_json(&document, g->line, strbuf_str(&path), FETCH_TABLE, NULL);
		if (status == COMMAND_EXIT_OK)
			table_view_add(&view, document);
		else
			g->status = status;
	}
	table_view_flush(&view, &out);
	(void)fputs(strbuf_str(&out), stdout);
}

static void print_gathered(const struct get *g)
{
	bool one = g->targets.n == 1 && g->targets.items[0].name;
	autojson *list = NULL;
	const json_t *document;

	if (one) {
		document = json_array_get(g->items, 0);
	} else {
		list = json_object();
		json_set(list, "kind", json_string("List"));
		json_set(list, "apiVersion", json_string("v1"));
		json_set(list, "metadata", json_pack("{s: s}", "resourceVersion", ""));
		json_set(list, "items", json_incref(g->items));
		document = list;
	}
	if (document && g->form == FORM_YAML)
		print_yaml(document);
	else if (document)
		print_json(document);
}

static void say_nothing_found(const struct get *g)
{
	bool namespaced = false;

	for (size_t i = 0; i < g->targets.n; i++)
		namespaced |= kind_info(g->targets.items[i].kind)->namespaced;
	if (g->ns && namespaced)
		(void)fprintf(stderr, "No resources found in %s namespace.\n", g->ns);
	else
		(void)fprintf(stderr, "No resources found\n");
}

/* Watching */

static int print_event(struct get *g, struct table_view *view, const json_t *event)
{
	const json_t *object = json_object_get(event, "object");
	autostrbuf out = STRBUF_INIT;

	if (str_eq(json_path_str(event, "type", ""), "ERROR")) {
		fetch_print_status(object);
		return COMMAND_EXIT_FAILED;
	}
	if (is_table(g)) {
		table_view_add(view, object);
		table_view_flush(view, &out);
		(void)fputs(strbuf_str(&out), stdout);
	} else if (g->form == FORM_NAME) {
		print_name(view->kind, object);
	} else if (g->form == FORM_YAML) {
		(void)puts("---");
		print_yaml(object);
	} else {
		print_json(object);
	}
	(void)fflush(stdout);
	return COMMAND_EXIT_OK;
}

static int read_events(struct get *g, struct table_view *view, struct http_client *c)
{
	autostrbuf buffer = STRBUF_INIT;
	struct err err = {};
	int r = 1;

	while (r > 0) {
		autojson *event = NULL;
		int status;

		r = fetch_next_event(&event, &buffer, &err);
		if (r == 0) {
			r = http_client_read(c, &buffer, &err);
			continue;
		}
		if (r < 0)
			break;
		status = print_event(g, view, event);
		if (status != COMMAND_EXIT_OK)
			return status;
	}
	if (r == 0)
		return COMMAND_EXIT_OK;
	(void)fprintf(stderr, "recond: %s\n", err.message);
	return COMMAND_EXIT_USAGE;
}

/* The watch begins with the present objects, so there is no gap between a list and it. */
static int watch(struct get *g)
{
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	_cleanup_(table_view_deinit) struct table_view view;
	struct target t = g->targets.items[0];
	autostrbuf path = STRBUF_INIT;
	autostrbuf fields = STRBUF_INIT;
	const char *name = t.name;
	int status;

	t.name = NULL;
	init_view(&view, g, t.kind);
	target_add_path(&path, &t, g->ns);
	target_add_query(&path, "watch", "1");
	target_add_query(&path, "labelSelector", g->line->values[COMMAND_SELECTOR]);
	strbuf_adds(&fields, g->line->values[COMMAND_FIELD_SELECTOR] ?: "");
	if (name)
		strbuf_addf(&fields, "%smetadata.name=%s", fields.len ? "," : "", name);
	target_add_query(&path, "fieldSelector", strbuf_str(&fields));
	status = fetch_stream(&c, g->line, strbuf_str(&path),
			      is_table(g) ? FETCH_TABLE : FETCH_JSON);
	return status == COMMAND_EXIT_OK ? read_events(g, &view, c) : status;
}

static int usage(const char *message)
{
	(void)fprintf(stderr, "error: %s\n", message);
	return COMMAND_EXIT_USAGE;
}

static int run(struct get *g)
{
	bool named = g->targets.items[0].name;

	if (named && !g->ns)
		return usage("a resource cannot be retrieved by name across all namespaces");
	if (named && (g->line->values[COMMAND_SELECTOR] || g->line->values[COMMAND_FIELD_SELECTOR]))
		return usage("a name and a selector exclude each other");
	if (g->line->values[COMMAND_WATCH]) {
		if (g->targets.n > 1)
			return usage("you may only watch one kind or one object");
		return watch(g);
	}
	if (named && is_table(g) && g->targets.single_kind) {
		get_named_of_kind(g);
		return g->status;
	}
	for (size_t i = 0; i < g->targets.n; i++)
		get_target(g, &g->targets.items[i]);
	if (!is_table(g) && g->form != FORM_NAME &&
	    (g->status == COMMAND_EXIT_OK || g->printed > 0))
		print_gathered(g);
	else if (g->printed == 0 && g->status == COMMAND_EXIT_OK)
		say_nothing_found(g);
	return g->status;
}

int cli_get(const struct command_line *line)
{
	struct get g = {.line = line, .form = form_of(line), .items = json_array()};
	struct err err = {};
	int status;

	g.ns = line->values[COMMAND_ALL_NAMESPACES] ? NULL : line->values[COMMAND_NAMESPACE] ?: "default";
	if (target_parse(&g.targets, line->args, line->n_args, &err) < 0)
		status = usage(err.message);
	else
		status = run(&g);
	json_decref(g.items);
	return status;
}
