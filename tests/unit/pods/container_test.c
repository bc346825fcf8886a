/* SPDX-License-Identifier: Apache-2.0 */
/* The merge of a container request and an image, by table. */
#include "runtime/container.h"

#include <criterion/criterion.h>

#include "base/json.h"
#include "base/strbuf.h"

static void image_make(struct imageconfig *c, const char *config)
{
	autofree char *text =
		mem_asprintf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":%s,"
			     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
			     config);
	autojson *doc = json_loads(text, 0, NULL);
	struct err err = {0};

	cr_assert_eq(imageconfig_parse(c, doc, &err), 0, "%s", err.message);
}

static char *join(const struct strlist *l)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		strbuf_addf(&sb, "%s%s", i ? "|" : "", l->items[i]);
	return strbuf_take(&sb);
}

static int build(struct spec *s, const char *request, const char *config, struct err *err)
{
	autojson *q = json_loads(request, 0, NULL);
	struct imageconfig image;
	int r;

	cr_assert(q, "%s", request);
	image_make(&image, config);
	spec_init(s);
	r = container_spec(s, q, &image, "web-1", err);
	imageconfig_deinit(&image);
	return r;
}

Test(container, command_and_args)
{
	static const struct {
		const char *name, *request, *want; /* want NULL: refused */
	} cases[] = {
		{"neither: the image's own", "{}", "entry|e1|cmd"},
		{"command replaces both", "{\"command\":[\"c\"]}", "c"},
		{"args alone keep the entrypoint", "{\"args\":[\"a\"]}", "entry|e1|a"},
		{"both", "{\"command\":[\"c\"],\"args\":[\"a\",\"b\"]}", "c|a|b"},
		{"null is not there", "{\"command\":null,\"args\":null}", "entry|e1|cmd"},
		{"an empty list is not there", "{\"command\":[],\"args\":[]}", "entry|e1|cmd"},
		{"not a list of strings", "{\"command\":[1]}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = NULL;
		struct err err = {0};
		struct spec s;
		int r = build(&s, cases[i].request,
			      "{\"Entrypoint\":[\"entry\",\"e1\"],\"Cmd\":[\"cmd\"]}", &err);

		got = r < 0 ? NULL : join(&s.args);
		cr_expect(str_eq(got, cases[i].want), "%s: got %s", cases[i].name, got);
		spec_deinit(&s);
	}
}

Test(container, an_image_without_command_needs_one)
{
	struct err err = {0};
	struct spec s;

	cr_expect_lt(build(&s, "{}", "{}", &err), 0);
	cr_expect_str_eq(err.reason, "CreateContainerConfigError");
	cr_expect_str_eq(err.message, "no command specified");
	spec_deinit(&s);
}

Test(container, environment)
{
	static const struct {
		const char *name, *env, *config, *want;
	} cases[] = {
		{"defaults only", "[]", "{\"Cmd\":[\"x\"]}",
		 "HOSTNAME=web-1|PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"the image's above the defaults, in their place", "[]",
		 "{\"Cmd\":[\"x\"],\"Env\":[\"A=1\",\"PATH=/bin\"]}",
		 "HOSTNAME=web-1|PATH=/bin|A=1"},
		{"the request's above the image's", "[[\"A\",\"2\"],[\"B\",\"\"]]",
		 "{\"Cmd\":[\"x\"],\"Env\":[\"A=1\",\"PATH=/bin\"]}",
		 "HOSTNAME=web-1|PATH=/bin|A=2|B="},
		{"a name that is none", "[[\"A B\",\"2\"]]", "{\"Cmd\":[\"x\"]}", NULL},
		{"a newline in HOME", "[[\"HOME\",\"/\\nroot\"]]", "{\"Cmd\":[\"x\"]}", NULL},
		{"not a pair", "[[\"A\"]]", "{\"Cmd\":[\"x\"]}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *request = mem_asprintf("{\"env\":%s}", cases[i].env), *got = NULL;
		struct err err = {0};
		struct spec s;
		int r = build(&s, request, cases[i].config, &err);

		got = r < 0 ? NULL : join(&s.env);
		cr_expect(str_eq(got, cases[i].want), "%s: got %s", cases[i].name, got);
		cr_expect(r == 0 || str_eq(err.reason, "CreateContainerConfigError"), "%s: %s",
			  cases[i].name, err.reason);
		spec_deinit(&s);
	}
}

Test(container, security_context)
{
	static const struct {
		const char *name, *context;
		uint64_t caps;
		bool no_new_privileges, privileged, unconfined;
		int want;
	} cases[] = {
		{"nothing said", "{}", SPEC_CAPS_DEFAULT, true, false, false, 0},
		{"escalation allowed", "{\"allowPrivilegeEscalation\":true}", SPEC_CAPS_DEFAULT,
		 false, false, false, 0},
		{"drop all, add one",
		 "{\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_RAW\"]}}", SPEC_CAP(13),
		 true, false, false, 0},
		{"add all, drop one",
		 "{\"capabilities\":{\"add\":[\"ALL\"],\"drop\":[\"NET_RAW\"]}}",
		 SPEC_CAPS_ALL & ~SPEC_CAP(13), true, false, false, 0},
		{"drop one", "{\"capabilities\":{\"drop\":[\"KILL\"]}}",
		 SPEC_CAPS_DEFAULT & ~SPEC_CAP(5), true, false, false, 0},
		{"an unknown capability", "{\"capabilities\":{\"add\":[\"FLY\"]}}", 0, true, false,
		 false, -EINVAL},
		{"unconfined", "{\"seccompProfile\":{\"type\":\"Unconfined\"}}", SPEC_CAPS_DEFAULT,
		 true, false, true, 0},
		{"a local profile", "{\"seccompProfile\":{\"type\":\"Localhost\"}}", 0, true, false,
		 false, -EINVAL},
		{"privileged", "{\"privileged\":true}", SPEC_CAPS_DEFAULT, true, true, false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *request = mem_asprintf(
			"{\"command\":[\"x\"],\"securityContext\":%s}", cases[i].context);
		struct err err = {0};
		struct spec s;
		int r = build(&s, request, "{}", &err);

		cr_expect_eq(r, cases[i].want, "%s: %s", cases[i].name, err.message);
		if (r == 0) {
			cr_expect_eq(s.caps, cases[i].caps, "%s: %lx", cases[i].name, s.caps);
			cr_expect_eq(s.no_new_privileges, cases[i].no_new_privileges, "%s",
				     cases[i].name);
			cr_expect_eq(s.privileged, cases[i].privileged, "%s", cases[i].name);
			cr_expect_eq(s.seccomp_unconfined, cases[i].unconfined, "%s",
				     cases[i].name);
		}
		spec_deinit(&s);
	}
}

Test(container, user)
{
	static const struct {
		const char *name, *context, *image;
		const char *want;  /* NULL: refused */
		const char *error; /* a part of the message */
	} cases[] = {
		{"the image's", "{}", "app:staff", "app:staff", NULL},
		{"runAsUser wins", "{\"runAsUser\":5}", "app", "5", NULL},
		{"null is not there", "{\"runAsUser\":null}", "7", "7", NULL},
		{"runAsNonRoot and a number", "{\"runAsNonRoot\":true}", "7:0", "7:0", NULL},
		{"runAsNonRoot and a name", "{\"runAsNonRoot\":true}", "app", NULL,
		 "image has non-numeric user (app)"},
		{"runAsNonRoot and runAsUser 0", "{\"runAsNonRoot\":true,\"runAsUser\":0}", "7",
		 NULL, "runAsUser breaks non-root policy"},
		{"runAsNonRoot and no user: told once the number is known",
		 "{\"runAsNonRoot\":true}", "", "", NULL},
		{"a negative id", "{\"runAsUser\":-1}", "", NULL, "numbers from 0"},
		{"an id that would wrap to root", "{\"runAsUser\":4294967296}", "", NULL,
		 "numbers from 0"},
		{"an id that means none", "{\"runAsUser\":4294967295}", "", NULL, "numbers from 0"},
		{"a group that is no number", "{\"runAsGroup\":\"x\"}", "", NULL, "numbers from 0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *request = mem_asprintf("{\"securityContext\":%s}", cases[i].context);
		autofree char *config = mem_asprintf("{\"User\":\"%s\"}", cases[i].image);
		autofree char *got = NULL;
		autojson *q = json_loads(request, 0, NULL);
		struct imageconfig image;
		struct err err = {0};

		image_make(&image, config);
		(void)container_user(&got, q, &image, &err);
		cr_expect(str_eq(got, cases[i].want), "%s: got %s", cases[i].name, got);
		cr_expect(!cases[i].error || strstr(err.message, cases[i].error), "%s: %s",
			  cases[i].name, err.message);
		imageconfig_deinit(&image);
	}
}

Test(container, non_root_is_checked_on_the_number)
{
	autojson *q = json_loads("{\"podName\":\"p_x\",\"name\":\"c\","
				 "\"securityContext\":{\"runAsNonRoot\":true}}",
				 0, NULL);
	autojson *open_one = json_object();
	struct err err = {0};

	cr_expect_eq(container_check_uid(q, 1, &err), 0);
	cr_expect_eq(container_check_uid(open_one, 0, &err), 0);
	cr_expect_eq(container_check_uid(q, 0, &err), -EINVAL);
	cr_expect_str_eq(err.message, "container has runAsNonRoot and image will run as root "
				      "(pod: \"p_x\", container: c)");
}
