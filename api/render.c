/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serialisation: the only place of this module that turns documents into bytes. What the documents
 * mean is decided elsewhere.
 */
#include "api/render_priv.h"

#include <assert.h>
#include <inttypes.h>

#include "api/reply_priv.h"
#include "base/clock.h"
#include "base/json.h"

static int append(const char *data, size_t n, void *out)
{
	strbuf_add(out, data, n);
	return 0;
}

void render_json(struct strbuf *out, const json_t *j)
{
	int r = json_dump_callback(j, append, out, JSON_COMPACT | JSON_ENCODE_ANY);

	assert(r == 0);
	(void)r;
}

enum render_form render_table_form(enum table_include include)
{
	static const enum render_form forms[TABLE_INCLUDE_N_] = {
		[TABLE_METADATA] = RENDER_TABLE_METADATA,
		[TABLE_OBJECT] = RENDER_TABLE_OBJECT,
		[TABLE_NONE] = RENDER_TABLE_NONE,
	};

	assert(include < TABLE_INCLUDE_N_);
	return forms[include];
}

enum table_include render_include(enum render_form form)
{
	assert(form > RENDER_JSON && form < RENDER_FORM_N_);
	switch (form) {
	case RENDER_TABLE_OBJECT:
		return TABLE_OBJECT;
	case RENDER_TABLE_NONE:
		return TABLE_NONE;
	default:
		return TABLE_METADATA;
	}
}

/* Takes over OBJECT. */
static struct bytes *event_line(const char *type, json_t *object)
{
	autojson *event = json_object();
	autostrbuf line = STRBUF_INIT;

	json_set(event, "type", json_string(type));
	json_set(event, "object", object);
	render_json(&line, event);
	strbuf_addc(&line, '\n');
	return bytes_new(line.data, line.len);
}

struct bytes *render_event(enum kind kind, enum render_form form, const char *type,
			   const json_t *object, bool with_columns)
{
	const struct table *t = table_of(kind);
	json_t *table;

	if (form == RENDER_JSON)
		return event_line(type, json_incref((json_t *)object));
	table = table_new(with_columns ? t : NULL,
			  json_path_str(object, "metadata.resourceVersion", ""));
	(void)json_array_append_new(
		json_object_get(table, "rows"),
		table_row(t, object, render_include(form), clock_realtime_ns()));
	return event_line(type, table);
}

struct bytes *render_bookmark(enum kind kind, enum render_form form, uint64_t resource_version,
			      bool end_of_initial)
{
	const struct kind_info *info = kind_info(kind);
	json_t *object = form == RENDER_JSON ? json_object() : table_new(NULL, "");
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, resource_version);
	if (form == RENDER_JSON) {
		json_set(object, "kind", json_string(info->name));
		json_set(object, "apiVersion", json_string(info->api_version));
		json_set(object, "metadata", json_object());
	}
	json_path_set_new(object, "metadata.resourceVersion", json_string(text));
	if (end_of_initial)
		json_path_set_new(object, "metadata.annotations.k8s\\.io/initial-events-end",
				  json_string("true"));
	return event_line("BOOKMARK", object);
}

struct bytes *render_error(unsigned int code, const char *reason, const char *message)
{
	return event_line("ERROR", reply_status(code, reason, message));
}
