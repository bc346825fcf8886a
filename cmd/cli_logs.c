/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond logs: finds the pod and the container that are meant, then copies the stream to stdout.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/target.h"

#define DEFAULT_CONTAINER "metadata.annotations.kubectl\\.kubernetes\\.io/default-container"

static int fail(const char *message)
{
	autostrbuf text = STRBUF_INIT;

	strbuf_add_escaped(&text, message, strlen(message));
	(void)fprintf(stderr, "error: %s\n", strbuf_str(&text));
	return COMMAND_EXIT_USAGE;
}

static bool is_ready(const json_t *pod)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_path(pod, "status.conditions"), i, c) {
		if (str_eq(json_path_str(c, "type", ""), "Ready"))
			return str_eq(json_path_str(c, "status", ""), "True");
	}
	return false;
}

/* "a=b,c=d" of spec.selector.matchLabels. */
static char *selector_text(const json_t *workload)
{
	autostrbuf text = STRBUF_INIT;
	const char *key;
	json_t *value;

	json_object_foreach(json_path(workload, "spec.selector.matchLabels"), key, value)
		strbuf_addf(&text, "%s%s=%s", text.len ? "," : "", key,
			    json_string_value(value) ?: "");
	return strbuf_take(&text);
}

/* A pod of the workload T, the first ready one if there is any. */
static int pod_of_workload(json_t **ret, const struct command_line *line, const struct target *t,
			   const char *ns)
{
	autojson *workload = NULL;
	autojson *list = NULL;
	autostrbuf path = STRBUF_INIT;
	autofree char *selector = NULL;
	struct target pods = {KIND_POD, NULL};
	json_t *chosen = NULL;
	size_t i;
	json_t *pod;
	int status;

	target_add_path(&path, t, ns);
	status = fetch_json(&workload, line, strbuf_str(&path), FETCH_JSON, NULL);
	if (status != COMMAND_EXIT_OK)
		return status;
	selector = selector_text(workload);
	strbuf_reset(&path);
	target_add_path(&path, &pods, ns);
	target_add_query(&path, "labelSelector", selector);
	status = fetch_json(&list, line, strbuf_str(&path), FETCH_JSON, NULL);
	if (status != COMMAND_EXIT_OK)
		return status;
	json_array_foreach(json_object_get(list, "items"), i, pod) {
		if (!chosen || (!is_ready(chosen) && is_ready(pod)))
			chosen = pod;
	}
	if (!chosen) {
		(void)fprintf(stderr, "error: %s/%s has no pod\n", kind_info(t->kind)->singular,
			      t->name);
		return COMMAND_EXIT_FAILED;
	}
	if (i > 1)
		(void)fprintf(stderr, "Found %zu pods, using pod/%s\n", i,
			      json_path_str(chosen, "metadata.name", ""));
	*ret = json_incref(chosen);
	return COMMAND_EXIT_OK;
}

static int find_pod(json_t **ret, const struct command_line *line, const char *ns)
{
	struct target t = {KIND_POD, line->args[0]};
	struct target_list targets;
	autostrbuf path = STRBUF_INIT;
	struct err err = {};

	if (strchr(line->args[0], '/')) {
		if (target_parse(&targets, line->args, 1, &err) < 0)
			return fail(err.message);
		t = targets.items[0];
	}
	if (t.kind == KIND_DEPLOYMENT || t.kind == KIND_REPLICASET || t.kind == KIND_JOB)
		return pod_of_workload(ret, line, &t, ns);
	if (t.kind != KIND_POD)
		return fail("only pods, deployments, replica sets and jobs have logs");
	target_add_path(&path, &t, ns);
	return fetch_json(ret, line, strbuf_str(&path), FETCH_JSON, NULL);
}

/* The container that is meant, said on stderr when it had to be guessed. */
static const char *choose_container(const struct command_line *line, const json_t *pod)
{
	const json_t *containers = json_path(pod, "spec.containers");
	const char *name = json_path_str(pod, DEFAULT_CONTAINER, "");
	autostrbuf names = STRBUF_INIT;
	size_t i;
	json_t *c;

	if (line->values[COMMAND_CONTAINER])
		return line->values[COMMAND_CONTAINER];
	if (*name)
		return name;
	name = json_path_str(json_array_get(containers, 0), "name", "");
	if (json_array_size(containers) < 2)
		return name;
	json_array_foreach(containers, i, c)
		strbuf_addf(&names, "%s%s", i ? ", " : "", json_path_str(c, "name", ""));
	(void)fprintf(stderr, "Defaulted container \"%s\" out of: %s\n", name, strbuf_str(&names));
	return name;
}

static int add_parameters(struct strbuf *path, const struct command_line *line, struct err *err)
{
	uint64_t lines;
	int64_t seconds;
	char text[24];

	if (line->values[COMMAND_TAIL] && !str_eq(line->values[COMMAND_TAIL], "-1")) {
		if (str_parse_u64(&lines, line->values[COMMAND_TAIL], 0, 10000000) < 0)
			return err_invalid(err, "--tail '%s' is not a number of lines",
					   line->values[COMMAND_TAIL]);
		target_add_query(path, "tailLines", line->values[COMMAND_TAIL]);
	}
	if (line->values[COMMAND_SINCE]) {
		if (duration_parse(&seconds, line->values[COMMAND_SINCE], err) < 0)
			return err_wrap(err, "--since");
		(void)snprintf(text, sizeof(text), "%" PRId64, seconds);
		target_add_query(path, "sinceSeconds", text);
	}
	target_add_query(path, "follow", line->values[COMMAND_FOLLOW] ? "true" : NULL);
	target_add_query(path, "previous", line->values[COMMAND_PREVIOUS] ? "true" : NULL);
	target_add_query(path, "timestamps",
			 line->values[COMMAND_TIMESTAMPS] || line->values[COMMAND_OUTPUT] ? "true"
											  : NULL);
	return 0;
}

/* One {"time", "message"} document per line of text that has the time before it. */
static void json_lines(struct strbuf *out, struct strbuf *text, bool at_end)
{
	char *end;

	if (at_end && text->len > 0 && text->data[text->len - 1] != '\n')
		strbuf_addc(text, '\n');
	while (text->len > 0 && (end = memchr(text->data, '\n', text->len))) {
		char *space = memchr(text->data, ' ', (size_t)(end - text->data));
		autojson *j = json_object();
		autofree char *line = NULL;

		*end = '\0';
		if (space) {
			*space = '\0';
			json_set(j, "time", json_text(text->data));
		}
		json_set(j, "message", json_text(space ? space + 1 : text->data));
		line = json_canonical(j);
		strbuf_addf(out, "%s\n", line);
		strbuf_consume(text, (size_t)(end - text->data) + 1);
	}
}

/* How the text of the daemon is passed on. */
struct sink {
	bool json;
	bool terminal;
	struct strbuf pending;
	struct print_filter filter;
};

static int sink_write(struct sink *s, const struct strbuf *piece, bool at_end)
{
	autostrbuf out = STRBUF_INIT;

	if (s->json) {
		strbuf_add(&s->pending, strbuf_str(piece), piece->len);
		json_lines(&out, &s->pending, at_end);
	} else if (s->terminal) {
		print_filter(&s->filter, &out, strbuf_str(piece), piece->len);
		if (at_end)
			print_filter_end(&s->filter, &out);
	} else {
		strbuf_add(&out, strbuf_str(piece), piece->len);
	}
	return fs_write_all(STDOUT_FILENO, strbuf_str(&out), out.len);
}

static int copy_log(const struct command_line *line, struct http_client *c)
{
	struct sink sink = {.json = line->values[COMMAND_OUTPUT],
			    .terminal = isatty(STDOUT_FILENO)};
	autostrbuf piece = STRBUF_INIT;
	struct err err = {};
	int r;

	while ((r = http_client_read(c, &piece, &err)) > 0) {
		if (sink_write(&sink, &piece, false) < 0)
			break; /* nobody reads our output any more */
		strbuf_reset(&piece);
	}
	(void)sink_write(&sink, &piece, true);
	strbuf_deinit(&sink.pending);
	return r < 0 ? fail(err.message) : COMMAND_EXIT_OK;
}

int cli_logs(const struct command_line *line)
{
	const char *ns = line->values[COMMAND_NAMESPACE] ?: "default";
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	autojson *pod = NULL;
	autostrbuf path = STRBUF_INIT;
	struct target t = {.kind = KIND_POD};
	struct err err = {};
	int status = find_pod(&pod, line, ns);

	if (status != COMMAND_EXIT_OK)
		return status;
	t.name = json_path_str(pod, "metadata.name", "");
	target_add_path(&path, &t, ns);
	strbuf_adds(&path, "/log");
	target_add_query(&path, "container", choose_container(line, pod));
	if (add_parameters(&path, line, &err) < 0)
		return fail(err.message);
	status = fetch_stream(&c, line, strbuf_str(&path), "*/*");
	return status == COMMAND_EXIT_OK ? copy_log(line, c) : status;
}
