/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes over HTTP: statuses and documents as an API server's, media types, queries, warnings,
 * bounds of bodies, and that an answer comes after the change is settled.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/unit/api/fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_init_policy(&f);
}

static void teardown(void)
{
	fixture_deinit(&f);
}

TestSuite(write, .init = setup, .fini = teardown);

#define CMS "/api/v1/namespaces/default/configmaps"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"
#define CM "{'metadata': {'name': 'a'}, 'data': {'k': 'v'}}"
#define DEPLOYMENT                                                                                 \
	"{'metadata': {'name': 'web'}, 'spec': {'selector': {'matchLabels': {'a': 'b'}}, "         \
	"'template': {'metadata': {'labels': {'a': 'b'}}, 'spec': {'containers': [{'name': 'c', "  \
	"'image': 'i:1'}]}}}}"
#define MERGE "application/merge-patch+json"

/* clang-format off */
static const struct {
	const char *sentence;
	struct fixture_request request;
	unsigned int status;
	const char *path, *value; /* of the answer */
} steps[] = { /* one after the other on one store */
	{ "create", { "POST", CMS, NULL, CM }, 201, "data.k", "v" },
	{ "create again", { "POST", CMS, NULL, CM }, 409, "reason", "AlreadyExists" },
	{ "the refusal names the resource", { "POST", CMS, NULL, CM }, 409, "details.kind", "configmaps" },
	{ "read it", { "GET", CMS "/a", NULL, NULL }, 200, "data.k", "v" },
	{ "replace", { "PUT", CMS "/a", NULL, "{'metadata': {'name': 'a'}, 'data': {'k': 'w'}}" }, 200, "data.k", "w" },
	{ "replace what is not there", { "PUT", CMS "/b", NULL, CM }, 404, "message", "configmaps \"b\" not found" },
	{ "an old version", { "PUT", CMS "/a", NULL, "{'metadata': {'name': 'a', 'resourceVersion': '1'}}" }, 409, "reason", "Conflict" },
	{ "a dry run", { "PATCH", CMS "/a?dryRun=All", MERGE, "{'data': {'k': 'x'}}" }, 200, "data.k", "x" },
	{ "changes nothing", { "GET", CMS "/a", NULL, NULL }, 200, "data.k", "w" },
	{ "another value of dryRun", { "PATCH", CMS "/a?dryRun=Yes", MERGE, "{}" }, 400, "reason", "BadRequest" },
	{ "a merge patch", { "PATCH", CMS "/a", MERGE "; charset=utf-8", "{'data': {'k': 'x'}}" }, 200, "data.k", "x" },
	{ "a JSON patch", { "PATCH", CMS "/a", "application/json-patch+json", "[{'op': 'add', 'path': '/data/l', 'value': 'y'}]" }, 200, "data.l", "y" },
	{ "an invalid document", { "PATCH", CMS "/a", MERGE, "{'data': {'k': 1}}" }, 422, "details.causes.[0].field", "data.k" },
	{ "names the kind", { "PATCH", CMS "/a", MERGE, "{'data': {'k': 1}}" }, 422, "details.kind", "ConfigMap" },
	{ "an unknown media type of a patch", { "PATCH", CMS "/a", "application/json", "{}" }, 415, "reason", "UnsupportedMediaType" },
	{ "server-side apply is not here", { "PATCH", CMS "/a", "application/apply-patch+yaml", "{}" }, 415, "reason", "UnsupportedMediaType" },
	{ "YAML is not read", { "POST", CMS, "application/yaml", "a: b" }, 415, "reason", "UnsupportedMediaType" },
	{ "no JSON", { "POST", CMS, NULL, "{" }, 400, "reason", "BadRequest" },
	{ "no body", { "POST", CMS, NULL, NULL }, 400, "message", "the request has no body" },
	{ "a kind that nobody writes", { "POST", "/apis/recond.dev/v1/apps", NULL, "{}" }, 405, "reason", "MethodNotAllowed" },
	{ "a kind that is not there", { "POST", "/apis/x/v1/namespaces/default/ys", NULL, "{}" }, 404, "reason", "NotFound" },
	{ "a namespaced kind without a namespace", { "POST", "/api/v1/configmaps", NULL, CM }, 404, "reason", "NotFound" },
	{ "delete", { "DELETE", CMS "/a", NULL, NULL }, 200, "status", "Success" },
	{ "delete what is gone", { "DELETE", CMS "/a", NULL, NULL }, 404, "reason", "NotFound" },

	{ "a namespace", { "POST", "/api/v1/namespaces", NULL, "{'metadata': {'name': 'n'}}" }, 201, "status.phase", "Active" },
	{ "an object in it", { "POST", "/api/v1/namespaces/n/configmaps", NULL, CM }, 201, "metadata.namespace", "n" },
	{ "in one that is not there", { "POST", "/api/v1/namespaces/m/configmaps", NULL, CM }, 404, "message", "namespaces \"m\" not found" },
	{ "default stays", { "DELETE", "/api/v1/namespaces/default", NULL, NULL }, 403, "reason", "Forbidden" },
	{ "others go, with what is in them", { "DELETE", "/api/v1/namespaces/n", NULL, NULL }, 200, "status.phase", "Terminating" },

	{ "a deployment", { "POST", DEPLOYMENTS, NULL, DEPLOYMENT }, 201, "spec.strategy.type", "RollingUpdate" },
	{ "its scale", { "GET", DEPLOYMENTS "/web/scale", NULL, NULL }, 200, "kind", "Scale" },
	{ "is patched", { "PATCH", DEPLOYMENTS "/web/scale", MERGE, "{'spec': {'replicas': 3}}" }, 200, "kind", "Scale" },
	{ "or put", { "PUT", DEPLOYMENTS "/web/scale", NULL, "{'spec': {'replicas': 4}}" }, 200, "kind", "Scale" },
	{ "a patch of it that is none", { "PATCH", DEPLOYMENTS "/web/scale", MERGE, "[]" }, 400, "reason", "BadRequest" },
	{ "only some have one", { "GET", "/apis/batch/v1/namespaces/default/jobs/x/scale", NULL, NULL }, 404, "reason", "NotFound" },
	{ "a strategic patch", { "PATCH", DEPLOYMENTS "/web", "application/strategic-merge-patch+json",
	  "{'spec': {'template': {'spec': {'containers': [{'name': 'c', 'image': 'i:2'}]}}}}" }, 200, "spec.template.spec.containers.[0].image", "i:2" },
	{ "a deletion with options in the query", { "DELETE", DEPLOYMENTS "/web?propagationPolicy=Burn", NULL, NULL }, 400, "reason", "BadRequest" },
	{ "with grace that is no number", { "DELETE", DEPLOYMENTS "/web?gracePeriodSeconds=x", NULL, NULL }, 400, "reason", "BadRequest" },
	{ "with options in a body", { "DELETE", DEPLOYMENTS "/web", NULL, "{'kind': 'DeleteOptions', 'apiVersion': 'v1', 'preconditions': {'uid': 'x'}}" }, 409, "reason", "Conflict" },
	{ "with a body that is none", { "DELETE", DEPLOYMENTS "/web", NULL, "[]" }, 400, "reason", "BadRequest" },
	{ "dry", { "DELETE", DEPLOYMENTS "/web", NULL, "{'dryRun': ['All']}" }, 200, "status", "Success" },
	{ "in the background", { "DELETE", DEPLOYMENTS "/web?propagationPolicy=Background", NULL, NULL }, 200, "details.kind", "deployments" },
	{ "and it is gone", { "GET", DEPLOYMENTS "/web", NULL, NULL }, 404, "reason", "NotFound" },
};
/* clang-format on */

Test(write, statuses_and_documents)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		autojson *answer = NULL;
		unsigned int got = fixture_send(&f, &steps[i].request, &answer);
		autofree char *text = json_dumps(answer, JSON_ENCODE_ANY);

		cr_expect_eq(got, steps[i].status, "%s: got %u, want %u: %s", steps[i].sentence,
			     got, steps[i].status, text);
		cr_expect_str_eq(json_path_str(answer, steps[i].path, ""), steps[i].value,
				 "%s: %s: %s", steps[i].sentence, steps[i].path, text);
	}
}

Test(write, an_answer_comes_after_the_change_is_settled)
{
	static const struct fixture_request create = {"POST", CMS, NULL, CM};
	static const struct fixture_request dry = {"POST", CMS "?dryRun=All", NULL,
						   "{'metadata': {'name': 'b'}}"};

	cr_assert_eq(fixture_send(&f, &create, NULL), 201);
	cr_expect_eq(f.settled, 1);
	cr_assert_eq(fixture_send(&f, &create, NULL), 409);
	cr_assert_eq(fixture_send(&f, &dry, NULL), 201);
	cr_expect_eq(f.settled, 1, "there is nothing to settle");
}

Test(write, a_watch_sees_what_is_written)
{
	static const struct fixture_request create = {"POST", CMS, NULL, CM};
	struct client watch;

	client_start(&watch, &f, "GET " CMS "?watch=1", NULL);
	cr_assert_eq(fixture_send(&f, &create, NULL), 201);
	cr_assert(client_wait_text(&watch, "\"ADDED\""));
	client_close(&watch);
}

static bool namespace_is_gone(void *data)
{
	return !store_get(f.store, KIND_NAMESPACE, NULL, data);
}

Test(write, a_namespace_goes_with_what_is_in_it)
{
	static const struct fixture_request requests[] = {
		{"POST", "/api/v1/namespaces", NULL, "{'metadata': {'name': 'n'}}"},
		{"POST", "/api/v1/namespaces/n/configmaps", NULL, CM},
		{"DELETE", "/api/v1/namespaces/n", NULL, NULL},
	};
	char name[] = "n";

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		cr_assert_leq(fixture_send(&f, &requests[i], NULL), 201);
	cr_assert(fixture_wait(&f, namespace_is_gone, name));
	cr_assert_null(store_get(f.store, KIND_CONFIGMAP, "n", "a"));
}

/* The head of an answer, as it came. Owned by the caller. */
static char *raw_answer(const char *request)
{
	autostrbuf text = STRBUF_INIT;
	struct client c;
	char data[4096];

	client_open(&c, &f);
	cr_assert_eq(send(c.fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while (!strstr(strbuf_str(&text), "\r\n\r\n")) {
		ssize_t n;

		cr_assert(sd_event_run(f.loop, 10000) >= 0);
		n = recv(c.fd, data, sizeof(data), 0);
		cr_assert_neq(n, 0, "closed: %s", strbuf_str(&text));
		if (n > 0)
			strbuf_add(&text, data, (size_t)n);
	}
	client_close(&c);
	return strbuf_take(&text);
}

Test(write, warnings_stand_in_the_head)
{
	static const char body[] =
		"{\"metadata\":{\"name\":\"j\"},\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":\"Never\","
		"\"hostPID\":true,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}";
	autofree char *request = mem_asprintf(
		"POST /apis/batch/v1/namespaces/default/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	autofree char *created = raw_answer(request);
	autofree char *deleted = raw_answer(
		"DELETE /apis/batch/v1/namespaces/default/jobs/j HTTP/1.1\r\nHost: x\r\n\r\n");

	cr_expect(strstr(created, "201 Created"), "%s", created);
	cr_expect(strstr(created,
			 "Warning: 299 - \"spec.template.spec.hostPID: valid Kubernetes, but not"),
		  "%s", created);
	cr_expect(strstr(deleted, "Warning: 299 - \"child pods are preserved by default"), "%s",
		  deleted);
}

Test(write, discovery_names_the_verbs)
{
	autojson *core = NULL, *apps = NULL;
	size_t i;
	json_t *resource;

	cr_assert_eq(fixture_get(&f, "/api/v1", NULL, &core), 200);
	json_array_foreach(json_object_get(core, "resources"), i, resource) {
		bool log = str_eq(json_path_str(resource, "name", ""), "pods/log");
		bool event = str_eq(json_path_str(resource, "name", ""), "events");

		cr_expect_eq(json_list_has(json_object_get(resource, "verbs"), "create"),
			     !log && !event, "%s", json_path_str(resource, "name", ""));
	}
	cr_assert_eq(fixture_get(&f, "/apis/apps/v1", NULL, &apps), 200);
	cr_expect_str_eq(json_path_str(apps, "resources.[1].name", ""), "replicasets/scale");
	cr_expect_str_eq(json_path_str(apps, "resources.[1].group", ""), "autoscaling");
}

/* Send what a client may send of a body that never ends; true when the server ended it. */
static bool is_cut_off(struct client *c, size_t bytes)
{
	static char junk[65536];

	memset(junk, ' ', sizeof(junk));
	for (size_t sent = 0; sent < bytes;) {
		autofree char *head = mem_asprintf("%zx\r\n", sizeof(junk));

		if (send(c->fd, head, strlen(head), MSG_NOSIGNAL) < 0 ||
		    send(c->fd, junk, sizeof(junk), MSG_NOSIGNAL) < 0 ||
		    send(c->fd, "\r\n", 2, MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN)
				return true;
			return false; /* half a chunk cannot be continued */
		}
		sent += sizeof(junk);
		for (int i = 0; i < 4; i++)
			(void)sd_event_run(f.loop, 1000);
	}
	return false;
}

Test(write, a_body_in_chunks_is_bounded)
{
	static const char head[] =
		"POST " CMS " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct client c;

	client_open(&c, &f);
	cr_assert_eq(send(c.fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
	cr_expect(is_cut_off(&c, 2 * API_MAX_BODY_BYTES));
	client_close(&c);
}

Test(write, a_large_object_is_taken)
{
	autofree char *value = mem_calloc(1, 900001);
	autofree char *body = NULL;

	memset(value, 'x', 900000);
	body = mem_asprintf("{'metadata': {'name': 'large'}, 'data': {'k': '%s'}}", value);
	cr_expect_eq(fixture_send(&f, &(struct fixture_request){"POST", CMS, NULL, body}, NULL),
		     201);
}
