/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for probes and hooks: ports by name, the pod's own address, variables, defaults. */
#include "reconciler/controllers/check_request.h"

#include "tests/unit/policy/lib.h"

#define SPEC                                                                                       \
	"{'ports': [{'name': 'web', 'containerPort': 8080}, {'containerPort': 9}],"                \
	" 'env': [{'name': 'A', 'value': 'x'}, {'name': 'S', 'valueFrom': {}}]}"
#define HEAD "'podUid': 'u', 'container': 'c', 'attempt': 3, 'timeoutMs': 2000, "

/* clang-format off */
static const struct { const char *name, *probe, *request, *error; } probes[] = {
	{ "a command, with the variables that are written out", "{'exec': {'command': ['echo', '$(A)$(S)$(N)']}}",
	  "{" HEAD "'type': 'exec', 'command': ['echo', 'x$(S)$(N)']}", NULL },
	{ "a GET by port name", "{'httpGet': {'port': 'web', 'path': '/ok', 'scheme': 'HTTPS', 'httpHeaders': [{'name': 'H', 'value': 'v'}]}}",
	  "{" HEAD "'type': 'httpGet', 'host': '10.0.0.7', 'port': 8080, 'path': '/ok', 'scheme': 'HTTPS',"
	  " 'headers': [['H', 'v']], 'userAgent': 'kube-probe/1.36'}", NULL },
	{ "a GET of another host, all else by default", "{'httpGet': {'port': 81, 'host': 'other'}}",
	  "{" HEAD "'type': 'httpGet', 'host': 'other', 'port': 81, 'path': '/', 'scheme': 'HTTP',"
	  " 'headers': [], 'userAgent': 'kube-probe/1.36'}", NULL },
	{ "a connection", "{'tcpSocket': {'port': 5432}}", "{" HEAD "'type': 'tcpSocket', 'host': '10.0.0.7', 'port': 5432}", NULL },
	{ "grpc", "{'grpc': {'port': 5, 'service': 's'}}",
	  "{" HEAD "'type': 'grpc', 'host': '10.0.0.7', 'port': 5, 'service': 's'}", NULL },
	{ "a port nobody has", "{'tcpSocket': {'port': 'nope'}}", NULL, "couldn't find port: nope" },
	{ "a port that is none", "{'tcpSocket': {'port': 70000}}", NULL, "invalid port number: 70000" },
	{ "nothing to do", "{'periodSeconds': 1}", NULL, "missing probe handler" },
}, hooks[] = {
	{ "a hook's command is taken as it is", "{'exec': {'command': ['echo', '$(A)']}}",
	  "{" HEAD "'type': 'exec', 'command': ['echo', '$(A)']}", NULL },
	{ "any answer to its GET will do", "{'httpGet': {'port': 'web'}}",
	  "{" HEAD "'type': 'httpGet', 'host': '10.0.0.7', 'port': 8080, 'path': '/', 'scheme': 'HTTP',"
	  " 'headers': [], 'userAgent': 'kube-lifecycle/1.36', 'anyStatus': true}", NULL },
	{ "a connection is no hook", "{'tcpSocket': {'port': 1}}", NULL, "invalid handler" },
};
/* clang-format on */

typedef int (*make_fn)(json_t **ret, const struct check_target *target, const json_t *check,
		       struct err *err);

static void expect(const char *name, make_fn make, const char *check, const char *want,
		   const char *error)
{
	autojson *spec = json_like(SPEC), *c = json_like(check), *got = NULL;
	struct check_target target = {.pod_uid = "u",
				      .container = "c",
				      .attempt = 3,
				      .address = "10.0.0.7",
				      .spec = spec,
				      .timeout_ms = 2000};
	struct err err = {0};
	int r = make(&got, &target, c, &err);

	cr_expect_eq(r < 0, error != NULL, "%s: %s", name, err.message);
	if (want)
		expect_json(name, got, want);
	if (error)
		cr_expect_str_eq(err.message, error, "%s", name);
}

Test(check_request, probes)
{
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		expect(probes[i].name, check_request_probe, probes[i].probe, probes[i].request,
		       probes[i].error);
}

Test(check_request, hooks)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		expect(hooks[i].name, check_request_hook, hooks[i].probe, hooks[i].request,
		       hooks[i].error);
}
