/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program itself against a real server: what it prints, where, and how it ends.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "tests/unit/api/fixture.h"

#define WORDS_MAX 16
#define POD(ns, name, phase)                                                                       \
	"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': '" ns "', 'name': '" name   \
	"', 'labels': {'app': '" name                                                              \
	"'}}, 'spec': {'containers': [{'name': 'c'}]}, 'status': {'phase': '" phase                \
	"', 'containerStatuses': [{'name': 'c', 'ready': true, 'restartCount': 0, 'state': {'running': {}}}]}}"
#define DEPLOYMENT(updated, available)                                                                             \
	"{'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'namespace': 'default', 'name': 'web'}, "    \
	"'spec': {'replicas': 3, 'selector': {'matchLabels': {'app': 'a'}}}, 'status': {'observedGeneration': 9, " \
	"'replicas': 3, 'readyReplicas': 3, 'updatedReplicas': " updated                                           \
	", 'availableReplicas': " available "}}"
#define APP(phase, reason, message)                                                                                \
	"{'apiVersion': 'recond.dev/v1', 'kind': 'App', 'metadata': {'name': 'site'}, 'status': {'phase': '" phase \
	"', 'desired': {'revision': 'aaaaaaaaaaaaaaaaaaaa'}, 'effective': {'revision': 'bbbbbbbbbbbbbbbbbbbb'}, "  \
	"'reason': '" reason "', 'message': '" message "'}}"

static struct fixture f;

static void setup(void)
{
	fixture_init(&f, 0600, (gid_t)-1);
}

static void teardown(void)
{
	fixture_deinit(&f);
}

TestSuite(cli, .init = setup, .fini = teardown);

struct process {
	pid_t pid;
	int out;
	int err;
	int status;
	struct strbuf text;   /* stdout */
	struct strbuf errors; /* stderr */
};

static void exec_recond(const char *line)
{
	autofree char *program = mem_asprintf("%s/recond", getenv("RECOND_BIN") ?: "build/dev/bin");
	autofree char *copy = mem_strdup(line);
	char *argv[WORDS_MAX] = {program};
	int argc = 1;

	for (char *p = copy; *p;) {
		argv[argc++] = p;
		p += strcspn(p, " ");
		if (*p)
			*p++ = '\0';
	}
	(void)setenv("RECOND_SOCKET", f.socket, 1);
	(void)execv(program, argv);
	_exit(127);
}

static void process_start(struct process *p, const char *line)
{
	int out[2];
	int err[2];

	cr_assert(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 &&
		  pipe2(err, O_CLOEXEC | O_NONBLOCK) == 0);
	*p = (struct process){.pid = fork(), .out = out[0], .err = err[0]};
	if (p->pid == 0) {
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		(void)fcntl(1, F_SETFL, 0);
		(void)fcntl(2, F_SETFL, 0);
		exec_recond(line);
	}
	(void)close(out[1]);
	(void)close(err[1]);
}

static void drain(int fd, struct strbuf *to)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		strbuf_add(to, data, (size_t)n);
}

static bool has_ended(void *data)
{
	struct process *p = data;
	bool ended = waitpid(p->pid, &p->status, WNOHANG) == p->pid;

	drain(p->out, &p->text);
	drain(p->err, &p->errors);
	return ended;
}

/* The exit status. */
static int process_wait(struct process *p)
{
	cr_assert(fixture_wait(&f, has_ended, p), "it does not end: %s%s", strbuf_str(&p->text),
		  strbuf_str(&p->errors));
	return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 128 + WTERMSIG(p->status);
}

static void process_deinit(struct process *p)
{
	(void)close(p->out);
	(void)close(p->err);
	strbuf_deinit(&p->text);
	strbuf_deinit(&p->errors);
}

struct wanted {
	struct process *process;
	const char *text;
};

static bool has_text(void *data)
{
	struct wanted *w = data;

	drain(w->process->out, &w->process->text);
	return strstr(strbuf_str(&w->process->text), w->text);
}

static void expect_text(struct process *p, const char *text)
{
	struct wanted w = {p, text};

	cr_assert(fixture_wait(&f, has_text, &w), "no '%s' in: %s", text, strbuf_str(&p->text));
}

static const struct {
	const char *sentence;
	const char *line;
	int status;
	const char *out;
	const char *err;
} cases[] = {
	/* clang-format off */
	{ "pods of the default namespace", "get pods", 0,
	  "NAME   READY   STATUS    RESTARTS   AGE\na      1/1     Running   0          0s\n", "" },
	{ "pods of all namespaces", "get po -A", 0,
	  "NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE\n"
	  "default     a      1/1     Running   0          0s\n"
	  "other       b      1/1     Pending   0          0s\n", "" },
	{ "several kinds have their names prefixed", "get pods,deploy", 0,
	  "NAME    READY   STATUS    RESTARTS   AGE\npod/a   1/1     Running   0          0s\n\n"
	  "NAME                  READY   UP-TO-DATE   AVAILABLE   AGE\ndeployment.apps/web   3/3     3            3           0s\n", "" },
	{ "wide", "get deploy/web -o wide --no-headers", 0, "web   3/3   3     3     0s    <none>   <none>   app=a\n", "" },
	{ "names", "get po,deploy -o name", 0, "pod/a\ndeployment.apps/web\n", "" },
	{ "a selector", "get pods -A -l app=b -o name", 0, "pod/b\n", "" },
	{ "a field selector", "get pods -A --field-selector status.phase=Running -o name", 0, "pod/a\n", "" },
	{ "nothing found", "get svc", 0, "", "No resources found in default namespace.\n" },
	{ "nothing found anywhere", "get svc -A", 0, "", "No resources found\n" },
	{ "an object that is not", "get pod x", 1, "", "Error from server (NotFound): pods \"x\" not found\n" },
	{ "an object of a group that is not", "get deploy/x", 1, "", "Error from server (NotFound): deployments.apps \"x\" not found\n" },
	{ "some are and some are not", "get pods a x --no-headers", 1, "a     1/1   Running   0     0s\n",
	  "Error from server (NotFound): pods \"x\" not found\n" },
	{ "a bad selector", "get pods -l =", 1, "",
	  "Error from server (BadRequest): unable to parse label selector '=': label key expected at '='\n" },
	{ "a name across namespaces", "get pod a -A", 2, "", "error: a resource cannot be retrieved by name across all namespaces\n" },
	{ "no such kind", "get pds", 2, "", "error: the server doesn't have a resource type \"pds\" (did you mean pods?)\n" },
	{ "an empty list as YAML", "get svc -o yaml", 0,
	  "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n", "" },
	{ "images", "images", 0,
	  "REPOSITORY   TAG      DIGEST         CREATED   SIZE\nsite/page    latest   0123456789ab   ", NULL },
	{ "a log that is not there", "logs a", 1, "",
	  "Error from server (BadRequest): container \"c\" in pod \"a\" is waiting to start: ContainerCreating\n" },
	{ "a log of a kind without", "logs svc/a", 2, "", "error: only pods, deployments, replica sets and jobs have logs\n" },
	{ "versions", "version", 0, "client: " RECOND_VERSION "\ndaemon: 0.0.1\n", "" },
	{ "no daemon", "get pods --socket /no/such/socket", 2, "",
	  "recond: no daemon answers on '/no/such/socket': No such file or directory\n" },
	/* clang-format on */
};

Test(cli, prints_what_kubectl_would)
{
	fixture_put(f.store, POD("default", "a", "Running"));
	fixture_put(f.store, POD("other", "b", "Pending"));
	fixture_put(f.store, DEPLOYMENT("3", "3"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct process p;
		int status;
		const char *out;

		process_start(&p, cases[i].line);
		status = process_wait(&p);
		out = strbuf_str(&p.text);
		/* Ages may have moved on a second or two. */
		for (char *at = p.text.data; at && (at = strchr(at, ' ')); at++) {
			if (at[1] >= '0' && at[1] <= '9' && at[2] == 's')
				at[1] = '0';
		}
		cr_expect_eq(status, cases[i].status, "%s: exit status %d\n%s%s", cases[i].sentence,
			     status, out, strbuf_str(&p.errors));
		if (cases[i].err) {
			cr_expect_str_eq(out, cases[i].out, "%s: got\n%swant\n%s",
					 cases[i].sentence, out, cases[i].out);
			cr_expect_str_eq(strbuf_str(&p.errors), cases[i].err, "%s: got\n%s",
					 cases[i].sentence, strbuf_str(&p.errors));
		} else {
			cr_expect(str_skip_prefix(out, cases[i].out), "%s: got\n%s",
				  cases[i].sentence, out);
		}
		process_deinit(&p);
	}
}

Test(cli, watching_prints_a_row_per_change)
{
	struct process p;

	fixture_put(f.store, POD("default", "a", "Pending"));
	process_start(&p, "get pods -w");
	expect_text(&p, "Pending");
	fixture_put(f.store, POD("default", "a", "Running"));
	expect_text(&p, "Running");
	(void)kill(p.pid, SIGTERM);
	(void)process_wait(&p);
	process_deinit(&p);
}

static int status_of(const char *line)
{
	struct process p;
	int status;

	process_start(&p, line);
	status = process_wait(&p);
	process_deinit(&p);
	return status;
}

Test(cli, status_tells_by_its_exit_status)
{
	cr_expect_eq(status_of("status"), 0);
	fixture_put(f.store, APP("Progressing", "", ""));
	cr_expect_eq(status_of("status"), 3);
	cr_expect_eq(status_of("status --wait --timeout 1s"), 3);
	fixture_put(f.store, APP("Held", "ErrImagePull", "no such image"));
	cr_expect_eq(status_of("status"), 1);
	cr_expect_eq(status_of("status --wait --timeout 60s"), 1);
	cr_expect_eq(status_of("status other"), 1, "what is not there is not well");
	cr_expect_eq(status_of("status site other"), 1);
	cr_expect_eq(status_of("status other --wait --timeout 1s"), 3, "it may still come");
	cr_expect_eq(status_of("status site site --wait --timeout 60s"), 1, "named twice is once");
	cr_expect_eq(status_of("get all,cm"), 0);
	fixture_put(f.store, APP("Verified", "", ""));
	cr_expect_eq(status_of("status"), 0);
	cr_expect_eq(status_of("status --timeout 5s"), 2);
	cr_expect_eq(status_of("status --socket /no/such/socket"), 2);
}

Test(cli, status_shows_apps_rollouts_and_what_is_not_well)
{
	struct process p;

	fixture_put(f.store, APP("Held", "ErrImagePull", "no such image"));
	fixture_put(f.store, DEPLOYMENT("1", "3"));
	fixture_put(f.store, POD("default", "fine", "Running"));
	fixture_put(
		f.store,
		"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'default', 'name': 'bad'}, 'spec': "
		"{'containers': [{'name': 'c'}]}, 'status': {'phase': 'Pending', 'containerStatuses': [{'name': 'c', "
		"'state': {'waiting': {'reason': 'ImagePullBackOff', 'message': 'no \\u001b[31m'}}}]}}");
	process_start(&p, "status");
	cr_expect_eq(process_wait(&p), 1);
	cr_expect(
		strstr(strbuf_str(&p.text),
		       "site   Held    aaaaaaaaaaaa   bbbbbbbbbbbb   ErrImagePull\n  └ no such image\n"),
		"%s", strbuf_str(&p.text));
	cr_expect(strstr(strbuf_str(&p.text),
			 "web          3/3     ███░░░░░░░   1 of 3 updated and available\n"),
		  "%s", strbuf_str(&p.text));
	cr_expect(strstr(strbuf_str(&p.text), "bad             ImagePullBackOff"), "%s",
		  strbuf_str(&p.text));
	cr_expect(strstr(strbuf_str(&p.text), "no \\x1b[31m"), "escapes are shown: %s",
		  strbuf_str(&p.text));
	cr_expect_not(strstr(strbuf_str(&p.text), "fine"));
	process_deinit(&p);
}

#define SOURCE(phase, current)                                                                       \
	"{'apiVersion': 'recond.dev/v1', 'kind': 'Source', 'metadata': {'name': 'shop'}, 'status': " \
	"{'phase': '" phase "', 'location': '/srv/shop', 'reason': 'Why', 'message': 'it is so', "   \
	"'remedy': 'do this', 'apps': ['site'], 'conditions': [{'type': 'ConfigurationCurrent', "    \
	"'status': '" current "', 'message': 'x.yaml:1:1: no'}]}}"

Test(cli, status_shows_sources_that_are_not_well_and_no_others)
{
	/* clang-format off */
	static const struct {
		const char *sentence, *source, *line;
		int status;
		const char *want; /* in what is printed; NULL: no source is */
	} rows[] = {
		{ "a source that is well", SOURCE("Ready", "True"), "status", 0, NULL },
		{ "one that cannot be read", SOURCE("Failed", "True"), "status", 1,
		  "shop     Failed   Why      /srv/shop\n  └ it is so\n  └ remedy: do this\n  └ its apps: site\n" },
		{ "also for one of its apps", SOURCE("Failed", "True"), "status site", 1, "remedy: do this\n" },
		{ "but not for another app", SOURCE("Failed", "True"), "status other", 0, NULL },
		{ "one that is configured no more is no failure", SOURCE("NotConfigured", "True"), "status", 0,
		  "shop     NotConfigured   Why      /srv/shop\n" },
		{ "a configuration that is not used", SOURCE("Ready", "False"), "status", 0,
		  "the newest configuration is not used: x.yaml:1:1: no\n" },
	};
	/* clang-format on */

	fixture_put(f.store, APP("Verified", "", ""));
	fixture_put(f.store, "{'apiVersion': 'recond.dev/v1', 'kind': 'App', 'metadata': {'name': "
			     "'other'}, 'status': {'phase': 'Verified'}}");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct process p;

		fixture_put(f.store, rows[i].source);
		process_start(&p, rows[i].line);
		cr_expect_eq(process_wait(&p), rows[i].status, "%s", rows[i].sentence);
		cr_expect(rows[i].want ? strstr(strbuf_str(&p.text), rows[i].want) != NULL
				       : strstr(strbuf_str(&p.text), "SOURCE") == NULL,
			  "%s: got\n%s", rows[i].sentence, strbuf_str(&p.text));
		process_deinit(&p);
	}
}

Test(cli, watching_status_in_a_pipe_prints_lines_and_survives_the_daemon)
{
	static const struct api_host host = {};
	struct api_config config = {
		.socket_path = f.socket, .mode = 0600, .group = (gid_t)-1, .version = "0.0.1"};
	struct process p;
	struct err err = {};

	fixture_put(f.store, APP("Progressing", "", ""));
	process_start(&p, "status --watch");
	expect_text(&p, "app site: Progressing aaaaaaaaaaaa bbbbbbbbbbbb\n");
	fixture_put(f.store, DEPLOYMENT("1", "3"));
	expect_text(&p, "deployment web: 3/3 1 of 3 updated and available\n");
	f.server = api_server_free(f.server);
	cr_assert_eq(api_server_new(&f.server, f.loop, &config, f.store, &host, &f, &err), 0, "%s",
		     err.message);
	fixture_put(f.store, APP("Verified", "", ""));
	expect_text(&p, "app site: Verified aaaaaaaaaaaa bbbbbbbbbbbb\n");
	(void)kill(p.pid, SIGTERM);
	(void)process_wait(&p);
	process_deinit(&p);
}

Test(cli, logs_of_a_deployment_are_those_of_one_of_its_pods)
{
	struct process p;
	FILE *log = fopen(f.log, "w");

	(void)fputs(
		"2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:01Z stdout F two \033[2J\n",
		log);
	(void)fclose(log);
	f.has_log = true;
	fixture_put(f.store, POD("default", "a", "Running"));
	fixture_put(f.store, DEPLOYMENT("3", "3"));
	process_start(&p, "logs deploy/web --tail 1");
	cr_expect_eq(process_wait(&p), 0);
	cr_expect_str_eq(strbuf_str(&p.text), "two \033[2J\n", "a pipe gets the bytes as they are");
	process_deinit(&p);
	process_start(&p, "logs a -o json --tail=1");
	cr_expect_eq(process_wait(&p), 0);
	cr_expect_str_eq(strbuf_str(&p.text),
			 "{\"message\":\"two \\u001B[2J\",\"time\":\"2026-01-01T00:00:01Z\"}\n",
			 "%s", strbuf_str(&p.text));
	process_deinit(&p);
}

/* ---- writing ---- */

static void setup_policy(void)
{
	fixture_init_policy(&f);
}

TestSuite(cli_write, .init = setup_policy, .fini = teardown);

static const struct fixture_request made[] = {
	{"POST", "/apis/apps/v1/namespaces/default/deployments", NULL,
	 "{'metadata': {'name': 'web'}, 'spec': {'replicas': 2, 'selector': {'matchLabels': {'a': 'b'}}, "
	 "'template': {'metadata': {'labels': {'a': 'b'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i:1'}]}}}}"},
	{"POST", "/apis/apps/v1/namespaces/default/deployments", NULL,
	 "{'metadata': {'name': 'idle'}, 'spec': {'paused': true, 'replicas': 0, 'selector': {'matchLabels': {'c': 'd'}}, "
	 "'template': {'metadata': {'labels': {'c': 'd'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i:1'}]}}}}"},
	{"POST", "/api/v1/namespaces/default/configmaps", NULL,
	 "{'metadata': {'name': 'a', 'labels': {'x': 'y'}}}"},
	{"POST", "/api/v1/namespaces/default/configmaps", NULL,
	 "{'metadata': {'name': 'b', 'labels': {'x': 'y'}}}"},
	{"POST", "/api/v1/namespaces/default/configmaps", NULL, "{'metadata': {'name': 'c'}}"},
	{"POST", "/api/v1/namespaces", NULL, "{'metadata': {'name': 'n'}}"},
	{"POST", "/api/v1/namespaces/n/configmaps", NULL, "{'metadata': {'name': 'a'}}"},
};

static const struct {
	const char *sentence;
	const char *line;
	int status;
	const char *out;
	const char *err;
} writes[] = {
	/* one after the other */
	/* clang-format off */
	{ "scale", "scale deploy/web --replicas 3", 0, "deployment.apps/web scaled\n", "" },
	{ "scale by kind and name", "scale deploy web --replicas=4", 0, "deployment.apps/web scaled\n", "" },
	{ "scale to nothing said", "scale deploy/web", 2, "", "error: --replicas=N is missing\n" },
	{ "scale to no number", "scale deploy/web --replicas=-1", 2, "", "error: --replicas is not a number of pods\n" },
	{ "scale what has no replicas", "scale cm/a --replicas 1", 2, "", "error: only deployments and replica sets can be scaled\n" },
	{ "scale a whole kind", "scale deploy --replicas 1", 2, "", "error: resource(s) were provided, but no name was specified\n" },
	{ "scale what is not there", "scale deploy/x --replicas 1", 1, "", "Error from server (NotFound): deployments.apps \"x\" not found\n" },
	{ "restart", "rollout restart deploy/web", 0, "deployment.apps/web restarted\n", "" },
	{ "restart what is paused", "rollout restart deploy/idle", 1, "", "error: deployments.apps \"idle\" can't restart paused deployment\n" },
	{ "restart another kind", "rollout restart cm/a", 2, "", "error: only deployments can be restarted\n" },
	{ "status, once", "rollout status deploy/web --no-wait", 0, "Waiting for deployment \"web\" rollout to finish: ", NULL },
	{ "status until a time", "rollout status deploy/web --timeout 1s", 1, "Waiting for deployment \"web\" rollout to finish: ", NULL },
	{ "status of what is done", "rollout status deploy/idle", 0, "deployment \"idle\" successfully rolled out\n", "" },
	{ "status of what is not there", "rollout status deploy/x", 1, "", "Error from server (NotFound): deployments.apps \"x\" not found\n" },
	{ "no such verb", "rollout undo deploy/web", 2, "", "error: rollout has status and restart\n" },
	{ "undo to what", "undo shop --to abc", 2, "", "recond undo: --to wants a number of the history, such as 3\n" },
	{ "delete by label", "delete cm -l x=y -o name", 0, "configmap/a\nconfigmap/b\n", "" },
	{ "delete by name", "delete cm c", 0, "configmap \"c\" deleted from default namespace\n", "" },
	{ "delete what is gone", "delete cm/c", 1, "", "Error from server (NotFound): configmaps \"c\" not found\n" },
	{ "delete what may be gone", "delete cm/c --ignore-not-found", 0, "", "" },
	{ "delete all of nothing", "delete cm --all", 0, "No resources found\n", "" },
	{ "delete a kind", "delete cm", 2, "", "error: resource(s) were provided, but no name was specified\n" },
	{ "delete by name and label", "delete cm/c -l x=y", 2, "", "error: a name and a selector exclude each other\n" },
	{ "delete in a way that is none", "delete cm/c --cascade=maybe", 2, "", "error: --cascade is background, foreground or orphan\n" },
	{ "delete with grace that is none", "delete cm/c --grace-period=x", 2, "", "error: --grace-period is not a number of seconds\n" },
	{ "delete what recond writes", "delete apps/x", 1, "", "Error from server (MethodNotAllowed): the server does not allow this method on the requested resource\n" },
	{ "delete a namespace, and wait for it", "delete ns/n --timeout 60s", 0, "namespace \"n\" deleted\n", "" },
	{ "and it is gone", "get ns/n", 1, "", "Error from server (NotFound): namespaces \"n\" not found\n" },
	{ "delete a deployment", "delete deploy/web --force", 0, "deployment.apps \"web\" force deleted from default namespace\n", "" },
	{ "wait no longer than asked", "delete pods -l a=b --timeout 1s -o name", 1, "pod/web-", NULL },
	/* clang-format on */
};

static void expect_start(const char *sentence, const char *got, const char *want, bool whole)
{
	if (whole)
		cr_expect_str_eq(got, want, "%s: got\n%swant\n%s", sentence, got, want);
	else
		cr_expect(str_skip_prefix(got, want), "%s: got\n%s", sentence, got);
}

Test(cli_write, says_what_kubectl_would)
{
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		cr_assert_eq(fixture_send(&f, &made[i], NULL), 201);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		struct process p;
		int status;

		process_start(&p, writes[i].line);
		status = process_wait(&p);
		cr_expect_eq(status, writes[i].status, "%s: exit status %d\n%s%s",
			     writes[i].sentence, status, strbuf_str(&p.text),
			     strbuf_str(&p.errors));
		expect_start(writes[i].sentence, strbuf_str(&p.text), writes[i].out, writes[i].err);
		if (writes[i].err)
			expect_start(writes[i].sentence, strbuf_str(&p.errors), writes[i].err,
				     true);
		process_deinit(&p);
	}
}

Test(cli_write, warnings_of_the_daemon_are_said)
{
	struct process p;

	fixture_put(
		f.store,
		"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a', 'namespace': "
		"'default', 'annotations': {'recond.dev/app': 'shop'}}}");
	process_start(&p, "delete cm/a");
	cr_expect_eq(process_wait(&p), 0);
	cr_expect_str_eq(
		strbuf_str(&p.errors),
		"Warning: ConfigMap/a belongs to app 'shop': what its source says is put back\n");
	process_deinit(&p);
}
