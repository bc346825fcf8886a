/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status view: apps, deployments with their progress, builds that run or failed, pods that are
 * not well. Widths are those of the widest cell; colour never carries what the words do not.
 */
#include "cmd/status_view.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/command.h"
#include "cmd/print.h"

#define BAR_CELLS 10
#define COLUMNS_MAX 6
#define NOTE_INDENT 4
#define RESET "\033[0m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"

/* What a phase or state means for the eye and for the exit status. */
static const struct {
	const char *name;
	const char *colour;
	bool settled;
	bool bad;
} phases[] = {
	{"Verified", GREEN, true, false},   {"Held", RED, true, true},
	{"Invalid", RED, true, true},       {"Progressing", YELLOW, false, false},
	{"Building", YELLOW, false, false}, {"Waiting", YELLOW, false, false},
	{"Built", GREEN, true, false},      {"Failed", RED, true, true},
	{"Pending", YELLOW, false, false},  {"NotConfigured", YELLOW, true, false},
};

void status_model_init(struct status_model *m)
{
	for (size_t i = 0; i < STATUS_LIST_N_; i++)
		m->rows[i] = json_object();
}

void status_model_deinit(struct status_model *m)
{
	for (size_t i = 0; i < STATUS_LIST_N_; i++) {
		json_decref(m->rows[i]);
		m->rows[i] = NULL;
	}
}

void status_model_clear(struct status_model *m, enum status_list list)
{
	(void)json_object_clear(m->rows[list]);
}

static json_t *named_cells(const json_t *columns, const json_t *cells)
{
	json_t *named = json_object();
	size_t i;
	json_t *column;

	json_array_foreach((json_t *)columns, i, column) {
		json_t *cell = json_array_get(cells, i);

		if (cell)
			json_set(named, json_path_str(column, "name", ""), json_incref(cell));
	}
	return named;
}

void status_model_take(struct status_model *m, enum status_list list, const json_t *columns,
		       const json_t *table, bool deleted)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(table, "rows"), i, row) {
		autofree char *key =
			mem_asprintf("%s/%s", json_path_str(row, "object.metadata.namespace", ""),
				     json_path_str(row, "object.metadata.name", ""));
		json_t *kept;

		if (deleted) {
			(void)json_object_del(m->rows[list], key);
			continue;
		}
		kept = json_object();
		json_set(kept, "object", json_incref(json_object_get(row, "object")));
		json_set(kept, "cells", named_cells(columns, json_object_get(row, "cells")));
		json_set(m->rows[list], key, kept);
	}
}

static const char *colour_of(const char *phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (str_eq(phases[i].name, phase))
			return phases[i].colour;
	}
	return "";
}

static const char *cell(const json_t *row, const char *column)
{
	return json_string_value(json_object_get(json_object_get(row, "cells"), column)) ?: "";
}

/* Which rows are shown */

static bool app_wanted(const struct status_style *style, const char *app)
{
	if (style->n_apps == 0)
		return true;
	for (size_t i = 0; i < style->n_apps; i++) {
		if (str_eq(style->apps[i], app))
			return true;
	}
	return false;
}

/* The app that an object other than an App belongs to, "" when it does not say. */
static const char *app_of(const json_t *row)
{
	const char *app = json_path_str(row, "object.metadata.annotations.recond\\.dev/app", "");

	return *app ? app : json_path_str(row, "object.metadata.labels.recond\\.dev/app", "");
}

static bool pod_is_well(const json_t *row)
{
	const char *status = cell(row, "Status");
	const char *ready = cell(row, "Ready");
	const char *slash = strchr(ready, '/');

	if (str_eq(status, "Completed") || str_eq(status, "Succeeded"))
		return true;
	if (!str_eq(status, "Running") || !slash)
		return false;
	return strlen(slash + 1) == (size_t)(slash - ready) &&
	       strncmp(ready, slash + 1, (size_t)(slash - ready)) == 0;
}

static const json_t *condition(const json_t *row, const char *type)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_path(row, "object.status.conditions"), i, c) {
		if (str_eq(json_path_str(c, "type", ""), type))
			return c;
	}
	return NULL;
}

static bool source_is_current(const json_t *row)
{
	return !str_eq(json_path_str(condition(row, "ConfigurationCurrent"), "status", ""),
		       "False");
}

/* Is one of the apps asked for from this source? */
static bool source_wanted(const struct status_style *style, const json_t *row)
{
	size_t i;
	json_t *app;

	json_array_foreach(json_path(row, "object.status.apps"), i, app) {
		if (app_wanted(style, json_string_value(app)))
			return true;
	}
	return style->n_apps == 0;
}

static bool shown(const struct status_style *style, enum status_list list, const json_t *row)
{
	switch (list) {
	case STATUS_APPS:
		return app_wanted(style, json_path_str(row, "object.metadata.name", ""));
	case STATUS_PODS:
		return app_wanted(style, app_of(row)) && !pod_is_well(row);
	case STATUS_SOURCES:
		return source_wanted(style, row) &&
		       (!str_eq(cell(row, "Phase"), "Ready") || !source_is_current(row));
	default:
		return app_wanted(style, app_of(row));
	}
}

/* Keys of the shown rows, sorted. */
static void shown_keys(struct strlist *keys, const struct status_model *m,
		       const struct status_style *style, enum status_list list)
{
	const char *key;
	json_t *row;

	json_object_foreach(m->rows[list], key, row) {
		if (shown(style, list, row))
			strlist_add(keys, key);
	}
	strlist_sort(keys);
}

/* Text */

/* One shown row: cells, the colour of the first one after the name, and a note below. */
struct view_row {
	char *cells[COLUMNS_MAX];
	const char *colour;
	char *note;
};

typedef void (*row_fn)(struct view_row *ret, const char *key, const json_t *row);

static char *escaped(const char *s)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_add_escaped(&sb, s, strlen(s));
	return strbuf_take(&sb);
}

/* "default/web" is "web", others keep their namespace; cluster-scoped keys begin with '/'. */
static char *short_key(const char *key)
{
	const char *name = str_skip_prefix(key, "default/");

	if (!name)
		name = *key == '/' ? key + 1 : key;
	return escaped(name);
}

/* "████░░░░░░" for DONE of TOTAL. */
static char *bar(int64_t done, int64_t total)
{
	autostrbuf sb = STRBUF_INIT;
	int64_t full = total > 0 ? done * BAR_CELLS / total : BAR_CELLS;

	if (full < 0)
		full = 0;
	for (int64_t i = 0; i < BAR_CELLS; i++)
		strbuf_adds(&sb, i < full ? "█" : "░");
	return strbuf_take(&sb);
}

static char *app_note(const json_t *row)
{
	const char *message = json_path_str(row, "object.status.message", "");
	const json_t *errors = json_path(row, "object.status.errors");
	autostrbuf sb = STRBUF_INIT;
	size_t i;
	json_t *e;

	if (*message)
		strbuf_add_escaped(&sb, message, strlen(message));
	json_array_foreach((json_t *)errors, i, e) {
		const char *text =
			json_is_string(e) ? json_string_value(e) : json_path_str(e, "message", "");

		if (!*text || str_eq(text, message))
			continue;
		if (sb.len > 0)
			strbuf_addc(&sb, '\n');
		strbuf_add_escaped(&sb, text, strlen(text));
	}
	return sb.len > 0 ? strbuf_take(&sb) : NULL;
}

static void app_row(struct view_row *ret, const char *key, const json_t *row)
{
	ret->cells[0] = short_key(key);
	ret->cells[1] = escaped(cell(row, "Phase"));
	ret->cells[2] = escaped(cell(row, "Desired"));
	ret->cells[3] = escaped(cell(row, "Effective"));
	ret->cells[4] = escaped(cell(row, "Reason"));
	ret->colour = colour_of(cell(row, "Phase"));
	ret->note = app_note(row);
}

/* How far a deployment is: replicas that are of the newest template and available. */
static void rollout(const json_t *row, int64_t *done, int64_t *total)
{
	int64_t updated = json_path_int(row, "object.status.updatedReplicas", 0);
	int64_t available = json_path_int(row, "object.status.availableReplicas", 0);

	*total = json_path_int(row, "object.spec.replicas", 1);
	*done = updated < available ? updated : available;
	if (json_path_int(row, "object.status.observedGeneration", 0) <
	    json_path_int(row, "object.metadata.generation", 0))
		*done = 0;
	if (*done > *total)
		*done = *total;
}

static void deployment_row(struct view_row *ret, const char *key, const json_t *row)
{
	int64_t replicas = json_path_int(row, "object.status.replicas", 0);
	int64_t done;
	int64_t total;

	rollout(row, &done, &total);
	ret->cells[0] = short_key(key);
	ret->cells[1] = escaped(cell(row, "Ready"));
	if (done < total)
		ret->cells[2] = bar(done, total);
	else
		ret->cells[2] = mem_strdup("");
	ret->colour = done < total ? YELLOW : GREEN;
	if (done < total)
		ret->cells[3] = mem_asprintf("%lld of %lld updated and available", (long long)done,
					     (long long)total);
	else if (replicas > total)
		ret->cells[3] = mem_asprintf("%lld old ending", (long long)(replicas - total));
	else
		ret->cells[3] = mem_strdup("");
}

static void build_row(struct view_row *ret, const char *key, const json_t *row)
{
	const char *phase = cell(row, "Phase");
	bool running = str_eq(phase, "Building");
	int64_t step = json_path_int(row, "object.status.step", 0);

	ret->cells[0] = short_key(key);
	ret->cells[1] = escaped(phase);
	ret->cells[2] =
		running ? bar(step, json_path_int(row, "object.status.steps", 0)) : mem_strdup("");
	ret->cells[3] = escaped(running ? cell(row, "Step") : cell(row, "Digest"));
	ret->cells[4] = escaped(running ? json_path_str(row, "object.status.text", "") : "");
	ret->colour = colour_of(phase);
	if (str_eq(phase, "Failed"))
		ret->note = escaped(json_path_str(row, "object.status.message", ""));
}

/* Why a pod does not run: the message of the first container that waits or ended. */
static const char *pod_message(const json_t *row)
{
	static const char *const lists[] = {"object.status.initContainerStatuses",
					    "object.status.containerStatuses"};
	size_t i;
	json_t *c;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach(json_path(row, lists[l]), i, c) {
			const char *message = json_path_str(c, "state.waiting.message", "");

			if (!*message)
				message = json_path_str(c, "state.terminated.message", "");
			if (*message)
				return message;
		}
	}
	return json_path_str(row, "object.status.message", "");
}

static void pod_row(struct view_row *ret, const char *key, const json_t *row)
{
	const char *status = cell(row, "Status");
	const char *message = pod_message(row);
	bool starting = str_eq(status, "Running") || str_eq(status, "Pending") ||
			str_eq(status, "ContainerCreating") || str_eq(status, "PodInitializing") ||
			str_eq(status, "Terminating");

	ret->cells[0] = short_key(key);
	ret->cells[1] = escaped(status);
	ret->cells[2] = escaped(cell(row, "Ready"));
	ret->cells[3] = escaped(cell(row, "Restarts"));
	ret->cells[4] = escaped(cell(row, "Age"));
	ret->colour = starting ? YELLOW : RED;
	if (*message)
		ret->note = escaped(message);
}

static void add_note_line(struct strbuf *note, const char *before, const char *text)
{
	if (!*text)
		return;
	strbuf_adds(note, note->len > 0 ? "\n" : "");
	strbuf_adds(note, before);
	strbuf_add_escaped(note, text, strlen(text));
}

static void source_row(struct view_row *ret, const char *key, const json_t *row)
{
	autostrbuf note = STRBUF_INIT;
	autostrbuf apps = STRBUF_INIT;
	size_t i;
	json_t *app;

	json_array_foreach(json_path(row, "object.status.apps"), i, app) {
		strbuf_addf(&apps, "%s%s", i ? ", " : "", json_string_value(app));
	}
	add_note_line(&note, "", json_path_str(row, "object.status.message", ""));
	add_note_line(&note, "remedy: ", json_path_str(row, "object.status.remedy", ""));
	if (!str_eq(cell(row, "Phase"), "Ready"))
		add_note_line(&note, "its apps: ", strbuf_str(&apps));
	if (!source_is_current(row))
		add_note_line(&note, "the newest configuration is not used: ",
			      json_path_str(condition(row, "ConfigurationCurrent"), "message", ""));
	ret->cells[0] = short_key(key);
	ret->cells[1] = escaped(cell(row, "Phase"));
	ret->cells[2] = escaped(cell(row, "Reason"));
	ret->cells[3] = escaped(cell(row, "Location"));
	ret->colour = colour_of(cell(row, "Phase"));
	ret->note = note.len > 0 ? strbuf_take(&note) : NULL;
}

static const struct section {
	enum status_list list;
	const char *headers[COLUMNS_MAX];
	row_fn row;
	const char *word; /* before a line about one row */
} sections[] = {
	/* clang-format off */
	{ STATUS_APPS, { "APP", "PHASE", "DESIRED", "EFFECTIVE", "REASON" }, app_row, "app" },
	{ STATUS_DEPLOYMENTS, { "DEPLOYMENT", "READY", "ROLLOUT", "" }, deployment_row, "deployment" },
	{ STATUS_BUILDS, { "BUILD", "PHASE", "PROGRESS", "", "" }, build_row, "build" },
	{ STATUS_PODS, { "POD NOT READY", "STATUS", "READY", "RESTARTS", "AGE" }, pod_row, "pod" },
	{ STATUS_SOURCES, { "SOURCE", "PHASE", "REASON", "LOCATION" }, source_row, "source" },
	/* clang-format on */
};

static void view_row_deinit(struct view_row *r)
{
	for (size_t i = 0; i < COLUMNS_MAX; i++)
		free(r->cells[i]);
	free(r->note);
}

/* LINE cut to WIDTH columns; colour sequences take none. */
static void add_cut(struct strbuf *out, const char *line, unsigned int width)
{
	unsigned int column = 0;
	bool coloured = strchr(line, '\033');

	while (*line) {
		if (*line == '\033') {
			size_t n = strcspn(line, "m") + 1;

			strbuf_add(out, line, n);
			line += n;
			continue;
		}
		if (((unsigned char)*line & 0xc0) != 0x80 && width > 0 && column++ == width)
			break;
		strbuf_addc(out, *line++);
	}
	if (*line && coloured)
		strbuf_adds(out, RESET);
	strbuf_addc(out, '\n');
}

static void add_cell(struct strbuf *line, const char *text, size_t width, const char *colour)
{
	if (*colour)
		strbuf_addf(line, "%s%s%s", colour, text, RESET);
	else
		strbuf_adds(line, text);
	for (size_t n = print_width(text); n < width; n++)
		strbuf_addc(line, ' ');
}

static size_t n_columns(const struct section *s)
{
	size_t n = 0;

	while (n < COLUMNS_MAX && s->headers[n])
		n++;
	return n;
}

static void add_line(struct strbuf *out, const struct section *s, const char *const *cells,
		     const size_t *widths, const struct status_style *style, const char *colour)
{
	autostrbuf line = STRBUF_INIT;
	size_t n = n_columns(s);

	for (size_t i = 0; i < n; i++)
		add_cell(&line, cells[i], i + 1 < n ? widths[i] + 3 : 0,
			 style->colour && i == 1 ? colour : "");
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		strbuf_truncate(&line, line.len - 1);
	add_cut(out, strbuf_str(&line), style->width);
}

/* How many bytes of TEXT stand on a line of WIDTH columns: up to the last space that fits. */
static size_t wrap_at(const char *text, unsigned int width)
{
	size_t best = 0;
	unsigned int column = 0;
	size_t i;

	for (i = 0; text[i]; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (text[i] == ' ')
			best = i;
		if (column++ == width)
			return best > 0 ? best : i;
	}
	return i;
}

/* A note below a row, wrapped rather than cut: it is the reason somebody looks for. */
static void add_note(struct strbuf *out, const char *note, const struct status_style *style)
{
	unsigned int width = style->width > 2 * NOTE_INDENT ? style->width - NOTE_INDENT : UINT_MAX;
	autostrlist lines = {};

	strlist_split(&lines, note, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *rest = lines.items[i];
		const char *before = "  └ ";

		while (*rest) {
			size_t n = wrap_at(rest, width);

			strbuf_addf(out, "%s%.*s\n", before, (int)n, rest);
			rest += n;
			rest += strspn(rest, " ");
			before = "    ";
		}
	}
}

static void measure(size_t *widths, const struct section *s, const char *const *cells)
{
	for (size_t i = 0; i < n_columns(s); i++) {
		size_t width = print_width(cells[i]);

		if (width > widths[i])
			widths[i] = width;
	}
}

static void add_section(struct strbuf *out, const struct section *s, const struct status_model *m,
			const struct status_style *style)
{
	size_t widths[COLUMNS_MAX] = {};
	autofree struct view_row *rows = NULL;
	autostrlist keys = {};

	shown_keys(&keys, m, style, s->list);
	if (keys.n == 0)
		return;
	rows = mem_calloc(keys.n, sizeof(*rows));
	measure(widths, s, s->headers);
	for (size_t i = 0; i < keys.n; i++) {
		s->row(&rows[i], keys.items[i], json_object_get(m->rows[s->list], keys.items[i]));
		measure(widths, s, (const char *const *)rows[i].cells);
	}
	if (out->len > 0)
		strbuf_addc(out, '\n');
	add_line(out, s, s->headers, widths, style, "");
	for (size_t i = 0; i < keys.n; i++) {
		add_line(out, s, (const char *const *)rows[i].cells, widths, style, rows[i].colour);
		if (rows[i].note)
			add_note(out, rows[i].note, style);
		view_row_deinit(&rows[i]);
	}
}

void status_view_add(struct strbuf *out, const struct status_model *m,
		     const struct status_style *style)
{
	autostrbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		add_section(&text, &sections[i], m, style);
	strbuf_adds(out, text.len > 0 ? strbuf_str(&text) : "no apps yet\n");
}

/* Lines of change */

static char *row_line(const struct section *s, const char *key, const json_t *row)
{
	struct view_row r = {};
	autostrbuf line = STRBUF_INIT;

	s->row(&r, key, row);
	strbuf_addf(&line, "%s %s:", s->word, r.cells[0]);
	for (size_t i = 1; i < n_columns(s); i++) {
		bool age = str_eq(s->headers[i], "AGE") || str_eq(s->headers[i], "ROLLOUT") ||
			   str_eq(s->headers[i], "PROGRESS");

		if (!age && *r.cells[i])
			strbuf_addf(&line, " %s", r.cells[i]);
	}
	if (r.note) {
		for (char *p = r.note; *p; p++)
			*p = *p == '\n' ? ' ' : *p;
		strbuf_addf(&line, " (%s)", r.note);
	}
	view_row_deinit(&r);
	return strbuf_take(&line);
}

/* A pod that is no longer unwell is told once as well. */
static void add_gone(struct strbuf *out, const struct status_model *m,
		     const struct status_style *style, json_t *told)
{
	autostrlist gone = {};
	const char *name;
	json_t *list;

	json_object_foreach(told, name, list) {
		const char *key = strchr(name, ' ') + 1;
		enum status_list which = (enum status_list)(*name - '0');
		const json_t *row = json_object_get(m->rows[which], key);

		if (row && shown(style, which, row))
			continue;
		strlist_add(&gone, name);
		for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
			autofree char *text = short_key(key);

			if (sections[i].list == which)
				strbuf_addf(out, "%s %s: %s\n", sections[i].word, text,
					    row ? "well" : "gone");
		}
	}
	for (size_t i = 0; i < gone.n; i++)
		(void)json_object_del(told, gone.items[i]);
}

void status_view_add_changes(struct strbuf *out, const struct status_model *m,
			     const struct status_style *style, json_t *told)
{
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		enum status_list list = sections[s].list;
		autostrlist keys = {};

		shown_keys(&keys, m, style, list);
		for (size_t i = 0; i < keys.n; i++) {
			autofree char *line =
				row_line(&sections[s], keys.items[i],
					 json_object_get(m->rows[list], keys.items[i]));
			autofree char *name = mem_asprintf("%d %s", (int)list, keys.items[i]);

			if (str_eq(json_string_value(json_object_get(told, name)), line))
				continue;
			strbuf_addf(out, "%s\n", line);
			json_set(told, name, json_text(line));
		}
	}
	add_gone(out, m, style, told);
}

json_t *status_view_json(const struct status_model *m, const struct status_style *style)
{
	static const char *const names[STATUS_LIST_N_] = {
		[STATUS_APPS] = "apps",       [STATUS_DEPLOYMENTS] = "deployments",
		[STATUS_PODS] = "pods",       [STATUS_BUILDS] = "builds",
		[STATUS_SOURCES] = "sources",
	};
	json_t *document = json_object();

	for (size_t l = 0; l < STATUS_LIST_N_; l++) {
		json_t *list = json_array();
		const char *key;
		json_t *row;

		json_object_foreach(m->rows[l], key, row) {
			bool wanted = l == STATUS_PODS ? app_wanted(style, app_of(row))
				      : l == STATUS_SOURCES
					      ? source_wanted(style, row)
					      : shown(style, (enum status_list)l, row);

			if (wanted)
				(void)json_array_append(list, json_object_get(row, "object"));
		}
		json_set(document, names[l], list);
	}
	return document;
}

/* Verdict */

static bool source_failed(const struct status_model *m, const struct status_style *style)
{
	const char *key;
	json_t *row;

	json_object_foreach(m->rows[STATUS_SOURCES], key, row) {
		if (source_wanted(style, row) && str_eq(cell(row, "Phase"), "Failed"))
			return true;
	}
	return false;
}

int status_view_exit(const struct status_model *m, const struct status_style *style)
{
	bool settled = true;
	bool bad = source_failed(m, style);
	const char *key;
	json_t *row;

	json_object_foreach(m->rows[STATUS_APPS], key, row) {
		bool found = false;

		if (!shown(style, STATUS_APPS, row))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
			if (!str_eq(phases[i].name, cell(row, "Phase")))
				continue;
			found = true;
			settled = settled && phases[i].settled;
			bad = bad || phases[i].bad;
		}
		settled = settled && found;
	}
	if (bad)
		return COMMAND_EXIT_FAILED;
	return settled ? COMMAND_EXIT_OK : COMMAND_EXIT_UNSETTLED;
}

const char *status_view_missing(const struct status_model *m, const struct status_style *style)
{
	for (size_t i = 0; i < style->n_apps; i++) {
		const struct status_style one = {.apps = &style->apps[i], .n_apps = 1};
		bool found = false;
		const char *key;
		json_t *row;

		json_object_foreach(m->rows[STATUS_APPS], key, row)
			found |= shown(&one, STATUS_APPS, row);
		if (!found)
			return style->apps[i];
	}
	return NULL;
}

bool status_view_settled(const struct status_model *m, const struct status_style *style)
{
	size_t n = 0;
	const char *key;
	json_t *row;

	if (status_view_missing(m, style))
		return false;
	json_object_foreach(m->rows[STATUS_APPS], key, row) {
		const char *phase = cell(row, "Phase");
		bool settled = str_eq(phase, "Verified") || str_eq(phase, "Held") ||
			       str_eq(phase, "Invalid");

		if (!shown(style, STATUS_APPS, row))
			continue;
		if (!settled)
			return false;
		n++;
	}
	return n > 0;
}
