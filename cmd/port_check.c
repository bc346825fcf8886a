/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of containers: what the policy left open (the address of the pod, how a command gets into
 * its container) is filled in, the rest is the prober's.
 */
#include "cmd/port_check.h"

#include "base/json.h"
#include "base/str.h"
#include "cmd/host.h"
#include "runtime/prober.h"

static void on_done(const char *id, bool ok, const char *message, void *data)
{
	struct host *h = data;

	reconciler_check_done(h->reconciler, id, ok, message);
	host_run_policy(h);
}

void port_check_start(struct host *h)
{
	h->prober = prober_new(h->loop, 0, on_done, h);
}

void port_check_stop(struct host *h)
{
	h->prober = prober_free(h->prober);
}

/* Where the pod answers: one in the host's network at the host's own address. */
static const char *pod_address(struct host *h, const char *uid)
{
	const json_t *pod = store_get_uid(h->store, uid);
	const char *host = json_path_str(pod, "status.hostIP", "127.0.0.1");

	if (json_path_bool(pod, "spec.hostNetwork", false))
		return host;
	return json_path_str(pod, "status.podIP", host);
}

void port_check(void *data, const char *id, const json_t *request)
{
	struct host *h = data;
	autojson *full = json_copy((json_t *)request);
	const char *uid = json_path_str(request, "podUid", "");
	json_t *target;

	if (!str_eq(json_path_str(request, "type", ""), "exec")) {
		if (!*json_path_str(request, "host", ""))
			json_set(full, "host", json_text(pod_address(h, uid)));
		prober_check(h->prober, id, full);
		return;
	}
	target = pod_exec_target(h->pods, uid, json_path_str(request, "container", ""),
				 (unsigned int)json_path_int(request, "attempt", 0));
	/* Without one the worker says so: answers come from the loop. */
	json_set(full, "target", target ? target : json_null());
	prober_check(h->prober, id, full);
}

void port_check_cancel(void *data, const char *id)
{
	struct host *h = data;

	prober_cancel(h->prober, id);
}
