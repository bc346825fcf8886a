/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for what is run beside a container: probes and lifecycle hooks, and which init containers
 * may have them.
 */
#include <ctype.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/schema_priv.h"
#include "reconciler/validate_priv.h"

static const char *const probe_handlers[] = {"exec", "httpGet", "tcpSocket", "grpc", NULL};
static const char *const hook_handlers[] = {"exec", "httpGet", "tcpSocket", "sleep", NULL};

/* Of core/v1 Signal, but for second names of others; SIGRTMIN+1 to +15 and SIGRTMAX-1 to -14 follow
 * a rule. */
static const char *const signals[] = {
	"SIGABRT",  "SIGALRM", "SIGBUS",    "SIGCHLD",  "SIGCONT",  "SIGFPE",  "SIGHUP",
	"SIGILL",   "SIGINT",  "SIGKILL",   "SIGPIPE",  "SIGPOLL",  "SIGPROF", "SIGPWR",
	"SIGQUIT",  "SIGSEGV", "SIGSTKFLT", "SIGSTOP",  "SIGSYS",   "SIGTERM", "SIGTRAP",
	"SIGTSTP",  "SIGTTIN", "SIGTTOU",   "SIGURG",   "SIGUSR1",  "SIGUSR2", "SIGVTALRM",
	"SIGWINCH", "SIGXCPU", "SIGXFSZ",   "SIGRTMIN", "SIGRTMAX",
};

/* One container being checked, and where it stands. */
struct subject {
	const struct validation *v;
	const json_t *pod_spec;
	const json_t *container;
};

/* ---- what probes and hooks have in common ---- */

static void check_port(const struct subject *s, const struct path *up, const json_t *action)
{
	const char *name = json_string_value(json_object_get(action, "port"));
	const json_t *p;
	size_t i;

	if (!name || !*name)
		return;
	json_array_foreach(json_object_get(s->container, "ports"), i, p) {
		if (str_eq(json_path_str(p, "name", ""), name))
			return;
	}
	ERR(s->v, MEMBER(up, "port"), "the container has no port called '%.100s'", name);
}

static void check_headers(const struct subject *s, const struct path *up, const json_t *get)
{
	const struct path headers = {up, "httpHeaders", 0};
	const json_t *h;
	size_t i;

	json_array_foreach(json_object_get(get, "httpHeaders"), i, h) {
		const char *name = json_path_str(h, "name", "");

		while (isalnum((unsigned char)*name) || *name == '-')
			name++;
		if (*name)
			ERR(s->v, MEMBER(ELEMENT(&headers, i), "name"),
			    "must be letters, digits and '-'");
	}
}

static void check_handler(const struct subject *s, const struct path *at, const json_t *check,
			  const char *const *handlers)
{
	size_t n = 0;

	for (size_t i = 0; handlers[i]; i++)
		n += is_given(check, handlers[i]);
	if (n != 1)
		ERR(s->v, at, "must have exactly one of %s, %s, %s and %s, has %zu", handlers[0],
		    handlers[1], handlers[2], handlers[3], n);
	if (is_given(check, "exec") && json_array_size(json_path(check, "exec.command")) == 0)
		ERR(s->v, MEMBER(at, "exec"), "command is missing");
	check_port(s, MEMBER(at, "httpGet"), json_object_get(check, "httpGet"));
	check_port(s, MEMBER(at, "tcpSocket"), json_object_get(check, "tcpSocket"));
	check_headers(s, MEMBER(at, "httpGet"), json_object_get(check, "httpGet"));
}

/* ---- probes ---- */

static void check_probe(const struct subject *s, const struct path *up, const char *field,
			bool readiness)
{
	const struct path at = {up, field, 0};
	const json_t *probe = json_object_get(s->container, field);

	if (!json_is_object(probe))
		return;
	check_handler(s, &at, probe, probe_handlers);
	if (readiness && is_given(probe, "terminationGracePeriodSeconds"))
		ERR(s->v, MEMBER(&at, "terminationGracePeriodSeconds"),
		    "does not go with a readiness probe: it ends no container");
	if (!readiness && json_path_int(probe, "successThreshold", 1) != 1)
		ERR(s->v, MEMBER(&at, "successThreshold"), "must be 1 for this probe");
}

/* ---- hooks ---- */

static void check_hook(const struct subject *s, const struct path *up, const char *field)
{
	const struct path at = {up, field, 0};
	const json_t *hook = json_path(json_object_get(s->container, "lifecycle"), field);
	int64_t grace = json_path_int(s->pod_spec, "terminationGracePeriodSeconds", 30);
	int64_t seconds = json_path_int(hook, "sleep.seconds", 0);

	if (!json_is_object(hook))
		return;
	check_handler(s, &at, hook, hook_handlers);
	if (is_given(hook, "tcpSocket"))
		ERR(s->v, MEMBER(&at, "tcpSocket"),
		    "Kubernetes takes it but fails every such hook: use httpGet or exec");
	if (seconds > grace)
		ERR(s->v, MEMBER(MEMBER(&at, "sleep"), "seconds"),
		    "must not be more than terminationGracePeriodSeconds, %lld", (long long)grace);
}

static bool is_signal(const char *name)
{
	const char *up = str_skip_prefix(name, "SIGRTMIN+"),
		   *down = str_skip_prefix(name, "SIGRTMAX-");
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (str_eq(signals[i], name))
			return true;
	}
	return (up && str_parse_u64(&n, up, 1, 15) == 0) ||
	       (down && str_parse_u64(&n, down, 1, 14) == 0);
}

static void check_lifecycle(const struct subject *s, const struct path *up)
{
	const struct path at = {up, "lifecycle", 0};
	const char *signal = json_path_str(s->container, "lifecycle.stopSignal", NULL);

	check_hook(s, &at, "postStart");
	check_hook(s, &at, "preStop");
	if (!signal)
		return;
	if (!is_signal(signal))
		ERR(s->v, MEMBER(&at, "stopSignal"),
		    "'%.100s' is not a signal such as SIGQUIT or SIGRTMIN+3", signal);
	if (!*json_path_str(s->pod_spec, "os.name", ""))
		ERR(s->v, MEMBER(&at, "stopSignal"), "needs the pod's os.name");
}

/* An init container that is waited for to end can't be probed, and has nothing to say before. */
static void check_plain_init(const struct subject *s, const struct path *at)
{
	static const char *const fields[] = {"lifecycle", "livenessProbe", "readinessProbe",
					     "startupProbe"};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (is_given(s->container, fields[i]))
			ERR(s->v, MEMBER(at, fields[i]),
			    "needs restartPolicy Always, which makes the init container a sidecar");
	}
}

void validate_checks(const struct validation *v, const struct path *path, const json_t *pod_spec,
		     const json_t *container, bool init)
{
	const struct subject s = {v, pod_spec, container};

	if (init && !str_eq(json_path_str(container, "restartPolicy", ""), "Always")) {
		check_plain_init(&s, path);
		return;
	}
	check_probe(&s, path, "startupProbe", false);
	check_probe(&s, path, "readinessProbe", true);
	check_probe(&s, path, "livenessProbe", false);
	check_lifecycle(&s, path);
}
