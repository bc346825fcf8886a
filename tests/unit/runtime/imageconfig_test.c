/* SPDX-License-Identifier: Apache-2.0 */
/* The allow-list: what of an image's configuration is taken, what is refused, what is not even
 * looked at. */
#include "runtime/imageconfig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "base/json.h"

static int parse(struct imageconfig *ret, const char *config, struct err *err)
{
	autofree char *text =
		mem_asprintf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":%s}", config);
	autojson *doc = NULL;

	cr_assert_eq(json_parse(&doc, text, strlen(text), IMAGECONFIG_MAX_BYTES, err), 0, "%s",
		     text);
	return imageconfig_parse(ret, doc, err);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *config;
	const char *want; /* the allow-list as canonical JSON, NULL: refused */
} cases[] = {
	{ "nothing is everything's default", "{}",
	  "{\"cmd\":[],\"entrypoint\":[],\"env\":[],\"exposedPorts\":[],\"stopSignal\":0,\"user\":\"\",\"volumes\":[],\"workingDir\":\"/\"}" },
	{ "null is nothing", "null",
	  "{\"cmd\":[],\"entrypoint\":[],\"env\":[],\"exposedPorts\":[],\"stopSignal\":0,\"user\":\"\",\"volumes\":[],\"workingDir\":\"/\"}" },
	{ "null members are nothing, as the classic builder writes", "{\"Env\":null,\"Volumes\":null,\"Cmd\":null,\"Labels\":null,\"User\":null}",
	  "{\"cmd\":[],\"entrypoint\":[],\"env\":[],\"exposedPorts\":[],\"stopSignal\":0,\"user\":\"\",\"volumes\":[],\"workingDir\":\"/\"}" },
	{ "everything there is",
	  "{\"Env\":[\"PATH=/bin\",\"a.b-c=\"],\"Cmd\":[\"x\",\"\"],\"Entrypoint\":[\"/e\"],\"WorkingDir\":\"/w//x/\",\"User\":\"u:g\","
	  "\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{},\"8000-8010\":{}},\"StopSignal\":\"SIGQUIT\",\"Volumes\":{\"/v/\":{}}}",
	  "{\"cmd\":[\"x\",\"\"],\"entrypoint\":[\"/e\"],\"env\":[\"PATH=/bin\",\"a.b-c=\"],\"exposedPorts\":[\"53/udp\",\"80/tcp\",\"8000-8010\"],"
	  "\"stopSignal\":3,\"user\":\"u:g\",\"volumes\":[\"/v\"],\"workingDir\":\"/w/x\"}" },
	{ "what is not on the list is not looked at",
	  "{\"OnBuild\":5,\"Healthcheck\":\"x\",\"run.oci.handler\":\"krun\",\"Annotations\":{\"run.oci.hooks\":\"x\"},\"Hostname\":\"\\n\"}",
	  "{\"cmd\":[],\"entrypoint\":[],\"env\":[],\"exposedPorts\":[],\"stopSignal\":0,\"user\":\"\",\"volumes\":[],\"workingDir\":\"/\"}" },
	{ "labels do not get through, whatever they are called",
	  "{\"Labels\":{\"io.containerd.restart\":\"binary:///bin/sh\",\"run.oci.handler\":\"krun\"}}",
	  "{\"cmd\":[],\"entrypoint\":[],\"env\":[],\"exposedPorts\":[],\"stopSignal\":0,\"user\":\"\",\"volumes\":[],\"workingDir\":\"/\"}" },
	{ "config as a list", "[]", NULL },
	{ "env without =", "{\"Env\":[\"PATH\"]}", NULL },
	{ "env without a name", "{\"Env\":[\"=x\"]}", NULL },
	{ "env name with a digit in front", "{\"Env\":[\"1a=x\"]}", NULL },
	{ "env name with a space", "{\"Env\":[\"a b=x\"]}", NULL },
	{ "env name with a newline", "{\"Env\":[\"a\\nb=x\"]}", NULL },
	{ "newline in HOME", "{\"Env\":[\"HOME=/x\\nroot::0:0::/:/bin/sh\"]}", NULL },
	{ "escape in PATH", "{\"Env\":[\"PATH=\\u001b[2J\"]}", NULL },
	{ "env that is a number", "{\"Env\":[5]}", NULL },
	{ "env as an object", "{\"Env\":{}}", NULL },
	{ "command as a string", "{\"Cmd\":\"/bin/sh\"}", NULL },
	{ "relative working directory", "{\"WorkingDir\":\"a\"}", NULL },
	{ "working directory in proc", "{\"WorkingDir\":\"/proc/self/fd/8\"}", NULL },
	{ "working directory in proc by detour", "{\"WorkingDir\":\"/a/../proc/self/cwd\"}", NULL },
	{ "working directory in sys", "{\"WorkingDir\":\"/sys\"}", NULL },
	{ "working directory with a newline", "{\"WorkingDir\":\"/a\\nb\"}", NULL },
	{ "user with a newline", "{\"User\":\"a\\nb\"}", NULL },
	{ "user with a slash", "{\"User\":\"../x\"}", NULL },
	{ "user with two colons", "{\"User\":\"a:b:c\"}", NULL },
	{ "user with an empty group", "{\"User\":\"a:\"}", NULL },
	{ "port 0", "{\"ExposedPorts\":{\"0/tcp\":{}}}", NULL },
	{ "port 65536", "{\"ExposedPorts\":{\"65536\":{}}}", NULL },
	{ "port with a sign", "{\"ExposedPorts\":{\"+80\":{}}}", NULL },
	{ "an unknown protocol", "{\"ExposedPorts\":{\"80/icmp\":{}}}", NULL },
	{ "ports as a list", "{\"ExposedPorts\":[\"80\"]}", NULL },
	{ "a volume at the root", "{\"Volumes\":{\"/\":{}}}", NULL },
	{ "a volume at the root by detour", "{\"Volumes\":{\"/a/..\":{}}}", NULL },
	{ "a volume in proc", "{\"Volumes\":{\"/proc/x\":{}}}", NULL },
	{ "a relative volume", "{\"Volumes\":{\"../../etc\":{}}}", NULL },
	{ "an unknown signal", "{\"StopSignal\":\"SIGFOO\"}", NULL },
	{ "signal 0", "{\"StopSignal\":\"0\"}", NULL },
	{ "signal 65", "{\"StopSignal\":\"65\"}", NULL },
	{ "a label that is an object", "{\"Labels\":{\"a\":{}}}", NULL },
};

static const struct {
	const char *name;
	int want;
} signals[] = {
	{ "SIGTERM", SIGTERM }, { "TERM", SIGTERM }, { "15", 15 }, { "64", 64 }, { "SIGWINCH", SIGWINCH },
	{ "RTMIN", 34 }, { "SIGRTMIN+3", 37 }, { "SIGRTMAX-1", 63 }, { "SIGRTMAX", 64 }, { "SIGRTMIN-1", -EINVAL },
	{ "SIGRTMAX-40", -EINVAL }, { "", -EINVAL }, { "SIG", -EINVAL }, { "sigterm", -EINVAL }, { "015", -EINVAL },
};
/* clang-format on */

Test(imageconfig, parse)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(imageconfig_deinit) struct imageconfig c = {};
		struct err err = {};
		int r = parse(&c, cases[i].config, &err);
		autojson *j = NULL;
		autofree char *got = NULL;

		if (!cases[i].want) {
			cr_expect_eq(r, -EINVAL, "%s: accepted", cases[i].sentence);
			cr_expect_str_eq(err.reason, "InvalidImage", "%s", cases[i].sentence);
			continue;
		}
		cr_assert_eq(r, 0, "%s: %s", cases[i].sentence, err.message);
		j = imageconfig_to_json(&c);
		got = json_canonical(j);
		cr_expect_str_eq(got, cases[i].want, "%s: got %s", cases[i].sentence, got);
	}
}

Test(imageconfig, signals_by_name_and_number)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int got = imageconfig_parse_signal(signals[i].name);

		cr_expect_eq(got, signals[i].want, "%s: got %d, want %d", signals[i].name, got,
			     signals[i].want);
	}
}

Test(imageconfig, environments_are_bounded)
{
	static const struct {
		size_t n, length;
		int want;
	} sizes[] = {{1000, 10, 0},
		     {1001, 10, -EINVAL},
		     {7, 128u << 10, 0},
		     {9, 128u << 10, -EINVAL},
		     {1, (128u << 10) + 1, -EINVAL}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_(imageconfig_deinit) struct imageconfig c = {};
		autofree char *value = mem_alloc(sizes[i].length + 1);
		struct err err = {};
		autojson *doc = json_object();
		json_t *config = json_object(), *env = json_array();

		memset(value, 'x', sizes[i].length);
		memcpy(value, "A=", 2);
		value[sizes[i].length] = '\0';
		for (size_t k = 0; k < sizes[i].n; k++)
			cr_assert_eq(json_array_append_new(env, json_string(value)), 0);
		json_set(config, "Env", env);
		json_set(doc, "config", config);
		cr_expect_eq(imageconfig_parse(&c, doc, &err), sizes[i].want, "%zu of %zu bytes",
			     sizes[i].n, sizes[i].length);
	}
}
