/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of apps over HTTP: POST .../apps/NAME/ACTION, and the history of one. The meaning
 * of the actions is the reconciler's.
 */
#include <assert.h>

#include "api/api_priv.h"
#include "base/json.h"
#include "base/str.h"

/* {"to": 3, "revision": "..."} out of the query; owned by the caller. */
static bool read_args(json_t **ret_args, const struct request *req, struct reply *ret)
{
	const char *revision = request_get(req, "revision");
	autojson *args = json_object();
	struct err err = {};
	int64_t to = 0;
	int given = request_get_int(&to, req, "to", 1, INT32_MAX, &err);

	if (given < 0) {
		reply_error(ret, 400, "BadRequest", "%s", err.message);
		return false;
	}
	if (given > 0)
		json_set(args, "to", json_integer(to));
	if (revision && *revision)
		json_set(args, "revision", json_text(revision));
	*ret_args = TAKE_PTR(args);
	return true;
}

void app_action(struct api *api, const struct request *req, struct reply *ret)
{
	autojson *args = NULL, *result = NULL;
	struct err err = {};

	if (!api->policy) {
		reply_no_resource(ret);
		return;
	}
	if (!read_args(&args, req, ret))
		return;
	if (reconciler_app_action(api->policy, req->name, req->sub, args, &result, &err) < 0) {
		bool missing = str_eq(err.reason, "NotFound");

		reply_error(ret, missing ? 404 : 409, err.reason, "%s", err.message);
		return;
	}
	if (api->host.settle && api->host.settle(api->host_data, &err) < 0) {
		reply_error(ret, 500, "InternalError", "%s", err.message);
		return;
	}
	reply_json(ret, TAKE_PTR(result));
}

void app_history(struct api *api, const struct request *req, struct reply *ret)
{
	json_t *history = api->policy ? reconciler_app_history(api->policy, req->name) : NULL;

	if (!history) {
		reply_not_found(ret, "recond.dev", "apps", req->name);
		return;
	}
	reply_json(ret, json_pack("{s:s, s:s, s:o}", "kind", "AppHistory", "apiVersion",
				  "recond.dev/v1", "items", history));
}
