/* SPDX-License-Identifier: Apache-2.0 */
/* Which images the policy may need again, wherever it keeps a word of them. */
#include "reconciler/image_use.h"

#include "tests/unit/policy/lib.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

/* clang-format off */
static const struct { const char *sentence, *doc, *digests, *references; } cases[] = {
	{ "nothing", "{}", "{}", "{}" },
	{ "the pins of a template", "{'a': [{'recond.dev/image-digests': '{\\'c\\': \\'" A "\\', \\'d\\': \\'" B "\\'}'}]}", "{'" A "': true, '" B "': true}", "{}" },
	{ "pins that are none", "{'recond.dev/image-digests': 'x'}", "{}", "{}" },
	{ "a pin that is no digest", "{'recond.dev/image-digests': '{\\'c\\': \\'x\\'}'}", "{}", "{}" },
	{ "what a container runs", "{'status': {'containerStatuses': [{'imageID': '" A "', 'image': 'web:1'}]}}", "{'" A "': true}", "{'web:1': true}" },
	{ "what a build made", "{'status': {'digest': '" A "'}}", "{'" A "': true}", "{}" },
	{ "other digests are none of an image", "{'inputs': '" A "', 'digest': 'sha256:short'}", "{}", "{}" },
	{ "a reference", "{'spec': {'containers': [{'image': 'web'}, {'image': ''}]}}", "{}", "{'web': true}" },
	{ "an image that is no text", "{'image': {'digest': '" A "'}}", "{'" A "': true}", "{}" },
};
/* clang-format on */

Test(image_use, documents)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *doc = json_like(cases[i].doc);
		autojson *digests = json_object(), *references = json_object();

		image_use_look(digests, references, doc);
		expect_json(cases[i].sentence, digests, cases[i].digests);
		expect_json(cases[i].sentence, references, cases[i].references);
	}
}

static uint64_t port_now(void *data UNUSED)
{
	return 0;
}

static void port_wake(void *data UNUSED, uint64_t at_ms UNUSED)
{
}

/* An app's effective set, its history, a pod that runs, a build: each in its place. */
Test(image_use, everywhere)
{
	static const struct ports ports = {.now_ms = port_now,
					   .realtime_ns = still_realtime,
					   .random = still_random,
					   .wake_at = port_wake};
	struct still_world world = {.now_ns = 1800000000000000000};
	struct store *store = store_in(&world, NULL);
	const struct reconciler_config config = {.node_name = "node", .host_ip = "192.0.2.1"};
	struct ports p = ports;
	autojson *effective = json_like(
		"{'effective': {'objects': [{'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'web'}, 'spec': "
		"{'template': {'metadata': {'annotations': {'recond.dev/image-digests': '{\\'c\\': \\'" A
		"\\'}'}}}}}]}}");
	autojson *history = json_like(
		"{'n': 1, 'objects': [{'spec': {'template': {'metadata': {'annotations': {'recond.dev/image-digests': '{\\'c\\': \\'" B
		"\\'}'}}}}}]}");
	struct reconciler *r;
	autojson *use = NULL;

	(void)create(
		store,
		"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'p', 'namespace': 'default'}, 'spec': "
		"{'containers': [{'name': 'c', 'image': 'web:1'}]}, 'status': {'containerStatuses': [{'name': 'c', 'imageID': '" C
		"'}]}}");
	(void)create(
		store,
		"{'apiVersion': 'recond.dev/v1', 'kind': 'Image', 'metadata': {'name': 'i', 'namespace': 'default'}, "
		"'status': {'digest': '" D "'}}");
	(void)create(
		store,
		"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c', 'namespace': 'default'}, "
		"'data': {'image': 'not-mine'}}");
	store_doc_put(store, "apps", "shop", effective);
	store_doc_put(store, "history", "shop/0000000001", history);
	p.data = &world;
	r = reconciler_new(store, &p, &config);
	use = image_use_collect(r);
	for (const char *const *want = (const char *const[]){A, B, C, D, NULL}; *want; want++)
		cr_expect(json_list_has(json_object_get(use, "digests"), *want), "%s", *want);
	expect_json("references", json_object_get(use, "references"), "['web:1']");
	reconciler_free(r);
	store_free(store);
}
