/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as text and as JSON. Text from outside was escaped where it was made; names are valid.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/plan.h"

#define RESET "\033[0m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"

/* clang-format off */
static const char *const colours[PLAN_ACTION_N_] = {
	[PLAN_BUILD] = CYAN,     [PLAN_CREATE] = GREEN,  [PLAN_UPDATE] = YELLOW,
	[PLAN_REPLACE] = YELLOW, [PLAN_ROLL] = YELLOW,   [PLAN_DELETE] = RED,
};
/* clang-format on */

struct page {
	struct strbuf *out;
	bool colour;
};

static void begin(const struct page *page, const char *colour)
{
	if (page->colour)
		strbuf_adds(page->out, colour);
}

static void end(const struct page *page)
{
	if (page->colour)
		strbuf_adds(page->out, RESET);
}

/* "Kind/name" or "Kind/namespace/name", as everywhere. Owned by the caller. */
static char *describe(const struct plan_change *change)
{
	const char *kind = kind_info(change->kind)->name;

	if (!*change->ns || str_eq(change->ns, "default"))
		return mem_asprintf("%s/%s", kind, change->name);
	return mem_asprintf("%s/%s/%s", kind, change->ns, change->name);
}

static void write_diff(const struct page *page, const char *diff)
{
	while (*diff) {
		size_t n = strcspn(diff, "\n");

		strbuf_adds(page->out, "      ");
		begin(page, *diff == '+' ? GREEN : *diff == '-' ? RED : *diff == '@' ? CYAN : "");
		strbuf_add(page->out, diff, n);
		end(page);
		strbuf_addc(page->out, '\n');
		diff += n;
		diff += *diff == '\n';
	}
}

static void write_change(const struct page *page, const struct plan_change *change)
{
	autofree char *what = describe(change);

	strbuf_adds(page->out, "  ");
	begin(page, colours[change->action]);
	strbuf_addf(page->out, "%-8s", plan_action_name(change->action));
	end(page);
	strbuf_addf(page->out, "%s", what);
	if (change->why)
		strbuf_addf(page->out, " (%s)", change->why);
	strbuf_addc(page->out, '\n');
	if (change->diff)
		write_diff(page, change->diff);
}

static void write_lines(const struct page *page, const char *label, const char *colour,
			const json_t *lines)
{
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line) {
		strbuf_adds(page->out, "  ");
		begin(page, colour);
		strbuf_addf(page->out, "%-8s", label);
		end(page);
		strbuf_addf(page->out, "%s\n", json_string_value(line));
	}
}

static void write_app(const struct page *page, const struct plan_app *app)
{
	if (app->n_changes == 0 && json_array_size(app->errors) == 0 &&
	    json_array_size(app->notes) == 0)
		return;
	begin(page, BOLD);
	strbuf_addf(page->out, "app %s", app->name);
	end(page);
	strbuf_adds(page->out, app->held ? ": held, nothing of it would be done\n" : "\n");
	for (size_t i = 0; i < app->n_changes; i++)
		write_change(page, &app->changes[i]);
	write_lines(page, "error", RED, app->errors);
	write_lines(page, "note", YELLOW, app->notes);
}

/* How often each action would be done, and how many apps are held. */
struct summary {
	size_t actions[PLAN_ACTION_N_];
	size_t held;
};

static struct summary summarise(const struct plan *p)
{
	struct summary s = {.held = 0};

	for (size_t a = 0; a < p->n_apps; a++) {
		const struct plan_app *app = &p->apps[a];

		s.held += app->held != NULL;
		for (size_t i = 0; !app->held && i < app->n_changes; i++)
			s.actions[app->changes[i].action]++;
	}
	return s;
}

void plan_render_text(struct strbuf *out, const struct plan *p, bool colour)
{
	const struct page page = {.out = out, .colour = colour};
	const struct summary s = summarise(p);
	bool any = false;

	for (size_t a = 0; a < p->n_apps; a++)
		write_app(&page, &p->apps[a]);
	strbuf_adds(out, "plan: ");
	for (int i = 0; i < PLAN_ACTION_N_; i++) {
		if (!s.actions[i])
			continue;
		strbuf_addf(out, "%s%zu to %s", any ? ", " : "", s.actions[i],
			    plan_action_name((enum plan_action)i));
		any = true;
	}
	if (!any)
		strbuf_adds(out, "nothing to do");
	if (s.held)
		strbuf_addf(out, "; %zu app%s held", s.held, s.held == 1 ? "" : "s");
	strbuf_addc(out, '\n');
}

static void set_text(json_t *j, const char *key, const char *text)
{
	if (text && *text)
		json_set(j, key, json_text(text));
}

static json_t *change_json(const struct plan_change *change)
{
	const struct kind_info *info = kind_info(change->kind);
	json_t *j = json_object();

	set_text(j, "action", plan_action_name(change->action));
	set_text(j, "apiVersion", info->api_version);
	set_text(j, "kind", info->name);
	set_text(j, "namespace", change->ns);
	set_text(j, "name", change->name);
	set_text(j, "why", change->why);
	set_text(j, "diff", change->diff);
	if (change->object)
		json_set(j, "object", json_incref(change->object));
	return j;
}

static json_t *app_json(const struct plan_app *app)
{
	json_t *j = json_object();
	json_t *changes = json_array();

	for (size_t i = 0; i < app->n_changes; i++)
		if (json_array_append_new(changes, change_json(&app->changes[i])) < 0)
			abort();
	set_text(j, "name", app->name);
	set_text(j, "held", app->held);
	json_set(j, "changes", changes);
	json_set(j, "errors", json_incref(app->errors));
	json_set(j, "notes", json_incref(app->notes));
	return j;
}

json_t *plan_render_json(const struct plan *p)
{
	const struct summary s = summarise(p);
	json_t *j = json_object(), *apps = json_array(), *summary = json_object();

	for (size_t a = 0; a < p->n_apps; a++)
		if (json_array_append_new(apps, app_json(&p->apps[a])) < 0)
			abort();
	for (int i = 0; i < PLAN_ACTION_N_; i++)
		json_set(summary, plan_action_name((enum plan_action)i),
			 json_integer((json_int_t)s.actions[i]));
	json_set(summary, "held", json_integer((json_int_t)s.held));
	set_text(j, "source", p->source);
	json_set(j, "apps", apps);
	json_set(j, "summary", summary);
	return j;
}
