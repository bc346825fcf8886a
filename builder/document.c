/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration documents.
 */
#include "builder/document.h"

#include "base/clock.h"
#include "base/json.h"

#define SECOND_NS INT64_C(1000000000)

/* History readers know what a line of this kind looks like by this word. */
#define DOCUMENT_COMMENT "buildkit.dockerfile.v0"

static json_t *time_json(const struct build_plan *p, int64_t ns)
{
	char text[CLOCK_RFC3339_SIZE];

	if (p->has_epoch && ns > p->epoch_s * SECOND_NS)
		clock_format_rfc3339(text, p->epoch_s * SECOND_NS);
	else
		clock_format_rfc3339_nano(text, ns);
	return json_text(text);
}

void document_add_history(json_t *history, const struct build_plan *p, const struct plan_stage *s,
			  const int64_t *step_ns, int64_t now_ns)
{
	size_t step = 0;

	for (size_t i = 0; i < s->n_history; i++) {
		json_t *line = json_object();
		int64_t ns = now_ns;

		if (s->n_steps)
			ns = step_ns[step < s->n_steps ? step : s->n_steps - 1];
		json_set(line, "created", time_json(p, ns));
		json_set(line, "created_by", json_text(s->history[i].created_by));
		json_set(line, "comment", json_text(DOCUMENT_COMMENT));
		if (s->history[i].empty_layer)
			json_set(line, "empty_layer", json_true());
		else
			step++;
		json_array_append_new(history, line);
	}
}

json_t *document_new(const struct build_plan *p, const char *platform, json_t *history,
		     size_t n_own, int64_t now_ns)
{
	const struct scope *scope = &p->stages[p->target].scope;
	const char *slash = strchr(platform, '/');
	size_t os = (size_t)(slash - platform), arch = strcspn(slash + 1, "/");
	size_t n = json_array_size(history);
	json_t *doc = json_object(), *created = NULL;

	if (n_own)
		created = json_incref(json_object_get(json_array_get(history, n - 1), "created"));
	json_set(doc, "created", created ? created : time_json(p, now_ns));
	json_set(doc, "os", json_stringn(platform, os));
	json_set(doc, "architecture", json_stringn(slash + 1, arch));
	if (slash[1 + arch] == '/')
		json_set(doc, "variant", json_text(slash + 2 + arch));
	if (scope->author)
		json_set(doc, "author", json_text(scope->author));
	json_set(doc, "config", json_deep_copy(scope->config));
	json_set(doc, "history", json_incref(history));
	return doc;
}
