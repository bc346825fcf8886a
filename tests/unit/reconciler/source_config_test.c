/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the configuration: what is a Source, what is not, and the words of errors.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "reconciler/manifest.h"

#define HEAD "apiVersion: recond.dev/v1\nkind: Source\nmetadata: {name: shop}\nspec:\n"

static json_t *decode(const char *text, bool configuration)
{
	const struct manifest_file file = {
		.path = "/c/shop.yaml", .content = text, .len = strlen(text)};
	const struct manifest_app app = {.name = "", .files = &file, .n_files = 1};
	const struct manifest_input input = {
		.apps = &app, .n_apps = 1, .configuration = configuration};

	return manifest_decode(&input);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *errors; /* "" when it is good */
} cases[] = {
	{ "a folder", HEAD "  path: /srv/shop\n", "" },
	{ "a branch of a repository", HEAD "  repository: /srv/git/shop.git\n  branch: release/1\n", "" },
	{ "everything", HEAD "  path: /srv/shop\n  policy: {privileged: true, hostNetwork: true, hostPath: [/srv/data, /dev/dri], "
	  "capabilities: [NET_ADMIN], seccompUnconfined: true, procMountUnmasked: true}\n  notify:\n"
	  "  - {command: [/usr/bin/logger, -t, recond], user: daemon, events: [held], timeoutSeconds: 5}\n"
	  "  - webhook: {url: 'https://hooks.example/x', headers: {X-Token: abc}, secretFile: /etc/recond/hook.key}\n", "" },
	{ "an empty file", "", "" },
	{ "a file of comments", "# kind: Source\n", "" },
	{ "neither path nor repository", HEAD "  policy: {}\n",
	  "/c/shop.yaml:5:3: Source/shop: spec: must have exactly one of path and repository\n" },
	{ "both", HEAD "  path: /a\n  repository: /b\n  branch: main\n",
	  "/c/shop.yaml:5:3: Source/shop: spec: must have exactly one of path and repository\n"
	  "/c/shop.yaml:7:11: Source/shop: spec.branch: goes with repository, not with path\n" },
	{ "a repository without a branch", HEAD "  repository: /b\n", "/c/shop.yaml:5:3: Source/shop: spec: branch is missing\n" },
	{ "a branch that is none", HEAD "  repository: /b\n  branch: a..b\n",
	  "/c/shop.yaml:6:11: Source/shop: spec.branch: 'a..b': must be the name of a git branch\n" },
	{ "the form of the command line", HEAD "  path: /srv/shop#main\n",
	  "/c/shop.yaml:5:9: Source/shop: spec.path: must not contain '#' (a branch goes with repository)\n" },
	{ "a relative path", HEAD "  path: shop\n",
	  "/c/shop.yaml:5:9: Source/shop: spec.path: 'shop': must be an absolute path without '..'\n" },
	{ "a misspelt field", HEAD "  path: /a\n  polcy: {}\n",
	  "/c/shop.yaml:6:3: Source/shop: spec.polcy: SourceSpec has no such field (did you mean policy?)\n" },
	{ "a misspelt field of the policy", HEAD "  path: /a\n  policy: {hostpath: [/a]}\n",
	  "/c/shop.yaml:6:12: Source/shop: spec.policy.hostpath: SourcePolicy has no such field (did you mean hostPath?)\n" },
	{ "a hook of both kinds", HEAD "  path: /a\n  notify: [{command: [/a], webhook: {url: 'http://a'}}]\n",
	  "/c/shop.yaml:6:12: Source/shop: spec.notify[0]: must have exactly one of command and webhook\n" },
	{ "a hook of no kind", HEAD "  path: /a\n  notify: [{events: [held]}]\n",
	  "/c/shop.yaml:6:12: Source/shop: spec.notify[0]: must have exactly one of command and webhook\n" },
	{ "a command without a path", HEAD "  path: /a\n  notify: [{command: [mail, root]}]\n",
	  "/c/shop.yaml:6:23: Source/shop: spec.notify[0].command[0]: 'mail' must be an absolute path: there is no shell\n" },
	{ "an empty command", HEAD "  path: /a\n  notify: [{command: []}]\n",
	  "/c/shop.yaml:6:22: Source/shop: spec.notify[0].command: must have at least one element\n" },
	{ "an event that is none", HEAD "  path: /a\n  notify: [{command: [/a], events: [hold]}]\n",
	  "/c/shop.yaml:6:37: Source/shop: spec.notify[0].events[0]: 'hold' is not one of verified, held, released (did you mean held?)\n" },
	{ "a deadline out of bounds", HEAD "  path: /a\n  notify: [{command: [/a], timeoutSeconds: 0}]\n",
	  "/c/shop.yaml:6:44: Source/shop: spec.notify[0].timeoutSeconds: 0 is not within 1 and 300\n" },
	{ "a password in a URL", HEAD "  path: /a\n  notify: [{webhook: {url: 'http://a:b@c/'}}]\n",
	  "/c/shop.yaml:6:28: Source/shop: spec.notify[0].webhook.url: 'http://a:b@c/': must be http://HOST/... or https://HOST/..., without a password\n" },
	{ "a header that smuggles another", HEAD "  path: /a\n  notify: [{webhook: {url: 'http://a', headers: {X: \"a\\nY: b\"}}}]\n",
	  "/c/shop.yaml:6:53: Source/shop: spec.notify[0].webhook.headers.X: must not contain control characters\n" },
	{ "two of one name", HEAD "  path: /a\n---\n" HEAD "  path: /b\n",
	  "/c/shop.yaml:7:1: Source/shop: is there twice, first in /c/shop.yaml:1:1\n" },
	{ "an object that belongs in a source", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n",
	  "/c/shop.yaml:1:1: Pod/a: belongs in a source; a file of the configuration holds Source objects only\n" },
	{ "a misspelt kind", "apiVersion: recond.dev/v1\nkind: Sauce\nmetadata: {name: a}\n",
	  "/c/shop.yaml:2:7: Sauce/a: kind: there is no kind 'Sauce' in 'recond.dev/v1' (did you mean Source?)\n" },
	{ "a file that is something else", "a: b\n",
	  "/c/shop.yaml:1:1: not a Source (apiVersion: recond.dev/v1, kind: Source)\n" },
	{ "no YAML at all", "{{ .Values }}: [\n", NULL },
};
/* clang-format on */

Test(source_config, files_of_the_configuration)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *result = decode(cases[i].text, true);
		autostrbuf got = STRBUF_INIT;
		const json_t *line;
		size_t k;

		json_array_foreach(json_path(result, "apps.[0].errors"), k, line) {
			strbuf_addf(&got, "%s\n", json_string_value(line));
		}
		if (cases[i].errors)
			cr_expect_str_eq(strbuf_str(&got), cases[i].errors, "%s:\n got  %s want %s",
					 cases[i].sentence, strbuf_str(&got), cases[i].errors);
		else
			cr_expect(got.len > 0, "%s", cases[i].sentence);
		cr_expect_eq(json_array_size(json_path(result, "apps.[0].notes")), 0, "%s",
			     cases[i].sentence);
	}
}

Test(source_config, defaults_are_filled_in)
{
	autojson *result = decode(HEAD "  path: /a\n  notify: [{command: [/b]}]\n", true);
	const json_t *o = json_path(result, "apps.[0].objects.[0].object");

	cr_assert(o);
	cr_expect_str_eq(json_path_str(o, "metadata.name", ""), "shop");
	cr_expect(json_is_object(json_path(o, "spec.policy")));
	cr_expect_eq(json_path_int(o, "spec.notify.[0].timeoutSeconds", 0), 10);
}

Test(source_config, a_source_cannot_configure_sources)
{
	autojson *result = decode(HEAD "  path: /etc\n  policy: {privileged: true}\n", false);

	cr_expect_str_eq(
		json_string_value(json_path(result, "apps.[0].errors.[0]")),
		"/c/shop.yaml:1:1: Source/shop: belongs in recond's configuration (recond-source(5)), not in a source");
	cr_expect_eq(json_array_size(json_path(result, "apps.[0].objects")), 0);
}
