/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for probes and hooks. Both kinds speak the same words; they differ in who they say they
 * are and in what counts as success (any answer to a hook's GET does).
 */
#include "reconciler/controllers/check_request.h"

#include <assert.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/controllers/pod_request.h"

/* What a kubelet of the Kubernetes release whose fields recond knows would call itself. */
#define PROBE_AGENT "kube-probe/1.36"
#define HOOK_AGENT "kube-lifecycle/1.36"

static int64_t named_port(const json_t *spec, const char *name)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(spec, "ports"), i, p) {
		if (str_eq(json_path_str(p, "name", ""), name))
			return json_path_int(p, "containerPort", 0);
	}
	return 0;
}

static int resolve_port(int64_t *ret, const struct check_target *t, const json_t *port,
			struct err *err)
{
	const char *name = json_string_value(port);

	*ret = name ? named_port(t->spec, name) : json_integer_value(port);
	if (*ret > 0 && *ret <= 65535)
		return 0;
	if (name)
		return err_set(err, ERR_INVALID, ENOENT, "UnknownPort", "couldn't find port: %s",
			       name);
	return err_set(err, ERR_INVALID, EINVAL, "UnknownPort", "invalid port number: %lld",
		       (long long)*ret);
}

static json_t *request(const struct check_target *t, const char *type)
{
	json_t *r = json_pack("{s:s, s:s, s:I, s:s, s:I}", "podUid", t->pod_uid, "container",
			      t->container, "attempt", (json_int_t)t->attempt, "type", type,
			      "timeoutMs", (json_int_t)t->timeout_ms);

	assert(r);
	return r;
}

/* The variables that are known without asking anyone: what probes may use in their commands. */
static json_t *static_env(const json_t *spec)
{
	json_t *vars = json_object(), *e;
	size_t i;

	json_array_foreach(json_object_get(spec, "env"), i, e) {
		if (!json_object_get(e, "valueFrom"))
			json_set(vars, json_path_str(e, "name", ""),
				 json_text(json_path_str(e, "value", "")));
	}
	return vars;
}

static json_t *exec_request(const struct check_target *t, const json_t *exec, bool expand)
{
	autojson *vars = expand ? static_env(t->spec) : json_object();
	json_t *r = request(t, "exec"), *command = json_array(), *word;
	size_t i;

	json_array_foreach(json_object_get(exec, "command"), i, word) {
		autofree char *text = expand ? pod_request_expand(json_string_value(word), vars)
					     : mem_strdup(json_string_value(word));

		json_array_append_new(command, json_text(text));
	}
	json_set(r, "command", command);
	return r;
}

static json_t *headers_of(const json_t *get)
{
	json_t *headers = json_array(), *h;
	size_t i;

	json_array_foreach(json_object_get(get, "httpHeaders"), i, h)
		json_array_append_new(headers, json_pack("[s, s]", json_path_str(h, "name", ""),
							 json_path_str(h, "value", "")));
	return headers;
}

static int http_request(json_t **ret, const struct check_target *t, const json_t *get,
			const char *agent, struct err *err)
{
	int64_t port;
	int r = resolve_port(&port, t, json_object_get(get, "port"), err);

	if (r < 0)
		return r;
	*ret = request(t, "httpGet");
	json_set(*ret, "host", json_text(json_path_str(get, "host", t->address)));
	json_set(*ret, "port", json_integer(port));
	json_set(*ret, "path", json_text(json_path_str(get, "path", "/")));
	json_set(*ret, "scheme", json_text(json_path_str(get, "scheme", "HTTP")));
	json_set(*ret, "headers", headers_of(get));
	json_set(*ret, "userAgent", json_text(agent));
	return 0;
}

static int socket_request(json_t **ret, const struct check_target *t, const char *type,
			  const json_t *socket, struct err *err)
{
	int64_t port;
	int r = resolve_port(&port, t, json_object_get(socket, "port"), err);

	if (r < 0)
		return r;
	*ret = request(t, type);
	json_set(*ret, "host", json_text(json_path_str(socket, "host", t->address)));
	json_set(*ret, "port", json_integer(port));
	return 0;
}

int check_request_probe(json_t **ret, const struct check_target *target, const json_t *probe,
			struct err *err)
{
	int r;

	if (json_path(probe, "exec")) {
		*ret = exec_request(target, json_path(probe, "exec"), true);
		return 0;
	}
	if (json_path(probe, "httpGet"))
		return http_request(ret, target, json_path(probe, "httpGet"), PROBE_AGENT, err);
	if (json_path(probe, "tcpSocket"))
		return socket_request(ret, target, "tcpSocket", json_path(probe, "tcpSocket"), err);
	if (!json_path(probe, "grpc"))
		return err_set(err, ERR_INVALID, EINVAL, "InvalidProbe", "missing probe handler");
	r = socket_request(ret, target, "grpc", json_path(probe, "grpc"), err);
	if (r == 0)
		json_set(*ret, "service", json_text(json_path_str(probe, "grpc.service", "")));
	return r;
}

int check_request_hook(json_t **ret, const struct check_target *target, const json_t *hook,
		       struct err *err)
{
	int r;

	if (json_path(hook, "exec")) {
		*ret = exec_request(target, json_path(hook, "exec"), false);
		return 0;
	}
	if (!json_path(hook, "httpGet"))
		return err_set(err, ERR_INVALID, EINVAL, "InvalidHook", "invalid handler");
	r = http_request(ret, target, json_path(hook, "httpGet"), HOOK_AGENT, err);
	if (r == 0)
		json_set(*ret, "anyStatus", json_true());
	return r;
}
