/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: stages, variables, history, and what each cache key depends on. */
#include "builder/plan.h"

#include "base/strbuf.h"
#include "lib.h"

#define DIGEST_1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define DIGEST_2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

/* Everything a plan is made of, as text; a NULL member takes the default. */
struct inputs {
	const char *file;
	const char *tree;
	const char *ignore;
	const char *target;
	const char *build_args;
	const char *base; /* configuration document of the image "base" */
	const char *base_digest;
	bool host_network;
};

#define BASE                                                                                       \
	"{\"config\":{\"Env\":[\"PATH=/bin\",\"B=base\"],\"Cmd\":[\"sh\"],\"User\":\"7\",\"X\":1}}"

/* The plan of IN, or NULL with the errors joined in *ret_errors. */
static struct build_plan *make_plan(const struct inputs *in, char **ret_errors)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	_cleanup_(context_freep) struct context *c =
		make_context(in->tree ? in->tree : "", in->ignore ? in->ignore : "");
	autojson *args = json_loads(in->build_args ? in->build_args : "{}", 0, NULL);
	autojson *doc = json_loads(in->base ? in->base : BASE, 0, NULL);
	struct plan_base base = {"base", in->base_digest ? in->base_digest : DIGEST_1, doc};
	struct plan_input input = {.context = c,
				   .target = in->target,
				   .build_args = args,
				   .platform = "linux/amd64",
				   .host_network = in->host_network,
				   .bases = &base,
				   .n_bases = 1};
	autodiag d = {.file = "Dockerfile"};
	autostrbuf sb = STRBUF_INIT;
	struct build_plan *p = NULL;

	cr_assert(args && doc);
	*ret_errors = NULL;
	if (dockerfile_parse(&f, in->file, strlen(in->file), &d) == 0) {
		input.file = f;
		if (plan_new(&p, &input, &d) == 0)
			return p;
	}
	for (size_t i = 0; i < d.errors.n; i++)
		strbuf_addf(&sb, "%s%s", i ? "\n" : "", d.errors.items[i]);
	*ret_errors = strbuf_take(&sb);
	return NULL;
}

static struct build_plan *must_plan(const struct inputs *in)
{
	autofree char *errors = NULL;
	struct build_plan *p = make_plan(in, &errors);

	cr_assert(p, "%s: %s", in->file, errors);
	return p;
}

static const struct plan_stage *target(const struct build_plan *p)
{
	return &p->stages[p->target];
}

/* The configuration of the target, canonical. */
static char *config_of(const char *file, const char *build_args)
{
	_cleanup_(build_plan_freep) struct build_plan *p =
		must_plan(&(struct inputs){.file = file, .build_args = build_args});

	return json_canonical(target(p)->scope.config);
}

#define P "\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\""
#define W "\"WorkingDir\":\"/\""

/* clang-format off */
static const struct {
	const char *sentence;
	const char *file;
	const char *build_args;
	const char *want;
} configs[] = {
	{ "scratch has a PATH and the root as working directory", "FROM scratch", NULL, "{" P "]," W "}" },
	{ "ENV sees the variables before it", "FROM scratch\nENV a=1\nENV a=2 b=$a", NULL, "{" P ",\"a=2\",\"b=1\"]," W "}" },
	{ "legacy ENV", "FROM scratch\nENV a b  c", NULL, "{" P ",\"a=b  c\"]," W "}" },
	{ "the base's Env, Cmd and User are inherited, unknown members are not", "FROM base\nENV B=x", NULL,
	  "{\"Cmd\":[\"sh\"],\"Env\":[\"PATH=/bin\",\"B=x\"],\"User\":\"7\"}" },
	{ "ENTRYPOINT drops an inherited Cmd", "FROM base\nENTRYPOINT [\"e\"]\nUSER \"\"", NULL,
	  "{\"Entrypoint\":[\"e\"],\"Env\":[\"PATH=/bin\",\"B=base\"],\"User\":\"\"}" },
	{ "ENTRYPOINT keeps the Cmd of its own stage", "FROM scratch\nCMD [\"c\"]\nENTRYPOINT [\"e\"]", NULL,
	  "{\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"]," P "]," W "}" },
	{ "ENTRYPOINT drops the Cmd of its parent stage", "FROM scratch AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]", NULL,
	  "{\"Entrypoint\":[\"e\"]," P "]," W "}" },
	{ "an empty CMD clears", "FROM base\nCMD []", NULL, "{\"Env\":[\"PATH=/bin\",\"B=base\"],\"User\":\"7\"}" },
	{ "shell form is wrapped in the SHELL in force at that line",
	  "FROM scratch\nCMD a  b\nSHELL [\"/x\",\"-e\"]\nENTRYPOINT c", NULL,
	  "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a  b\"],\"Entrypoint\":[\"/x\",\"-e\",\"c\"]," P "],\"Shell\":[\"/x\",\"-e\"]," W "}" },
	{ "CMD does not expand", "FROM scratch\nENV a=1\nCMD [\"$a\"]", NULL, "{\"Cmd\":[\"$a\"]," P ",\"a=1\"]," W "}" },
	{ "EXPOSE splits after expansion, expands ranges, knows protocols",
	  "FROM scratch\nENV p=\"80 81/UDP\"\nEXPOSE $p 90-91", NULL,
	  "{" P ",\"p=80 81/UDP\"],\"ExposedPorts\":{\"80/tcp\":{},\"81/udp\":{},\"90/tcp\":{},\"91/tcp\":{}}," W "}" },
	{ "LABEL sets and overrides", "FROM scratch\nLABEL a=1 \"b c\"='d e'\nLABEL a=2", NULL,
	  "{" P "],\"Labels\":{\"a\":\"2\",\"b c\":\"d e\"}," W "}" },
	{ "an absolute WORKDIR is stored as written", "FROM scratch\nWORKDIR /a/../b//c/", NULL,
	  "{" P "],\"WorkingDir\":\"/a/../b//c/\"}" },
	{ "a relative WORKDIR is joined and cleaned", "FROM scratch\nWORKDIR /a/../b//c/\nWORKDIR d/", NULL,
	  "{" P "],\"WorkingDir\":\"/b/c/d\"}" },
	{ "VOLUME, STOPSIGNAL", "FROM scratch\nVOLUME /a /b\nSTOPSIGNAL 9", NULL,
	  "{" P "],\"StopSignal\":\"9\",\"Volumes\":{\"/a\":{},\"/b\":{}}," W "}" },
	{ "an ARG is not in the configuration", "FROM scratch\nARG a=1\nENV b=$a", NULL, "{" P ",\"b=1\"]," W "}" },
	{ "a build argument wins over the default", "FROM scratch\nARG a=1\nENV b=$a", "{\"a\":\"2\"}", "{" P ",\"b=2\"]," W "}" },
	{ "a build argument nobody declares does nothing", "FROM scratch\nENV b=$a", "{\"a\":\"2\"}", "{" P ",\"b=\"]," W "}" },
	{ "a global ARG is the default of a bare one", "ARG a=1\nFROM scratch\nARG a\nENV b=$a", NULL, "{" P ",\"b=1\"]," W "}" },
	{ "a global ARG is not visible by itself", "ARG a=1\nFROM scratch\nENV b=$a", NULL, "{" P ",\"b=\"]," W "}" },
	{ "an ARG without value stays unset", "FROM scratch\nARG a\nENV b=${a-unset}", NULL, "{" P ",\"b=unset\"]," W "}" },
	{ "within one ARG later items see earlier ones", "FROM scratch\nARG a=1 b=$a\nENV c=$b", NULL, "{" P ",\"c=1\"]," W "}" },
	{ "of ENV and ARG the last wins", "FROM scratch\nENV G=env\nARG G=arg\nENV c=$G", NULL, "{" P ",\"G=env\",\"c=arg\"]," W "}" },
	{ "a stage inherits ARGs of the stage it starts from", "FROM scratch AS a\nARG x=1\nFROM a\nENV y=$x", NULL, "{" P ",\"y=1\"]," W "}" },
	{ "platform variables need an ARG", "FROM scratch\nARG TARGETARCH\nENV a=$TARGETARCH b=$TARGETOS", NULL,
	  "{" P ",\"a=amd64\",\"b=\"]," W "}" },
};
/* clang-format on */

Test(plan, configuration)
{
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		autofree char *got = config_of(configs[i].file, configs[i].build_args);

		cr_expect_str_eq(got, configs[i].want, "%s:\n%s\ngot  %s\nwant %s",
				 configs[i].sentence, configs[i].file, got, configs[i].want);
	}
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *file;
	const char *want;
} errors[] = {
	{ "a bad modifier names its line", "FROM scratch\n\nENV a=${b!c}",
	  "Dockerfile:3: ENV: failed to process \"${b!c}\": unsupported modifier (!) in substitution" },
	{ "all of several stages' errors", "FROM scratch AS a\nCOPY nope /\nFROM scratch\nCOPY --from=a / /\nCOPY no /",
	  "Dockerfile:2: COPY: \"/nope\": not found\nDockerfile:5: COPY: \"/no\": not found" },
	{ "leaving the context is a missing file", "FROM scratch\nCOPY ../etc/passwd /", "Dockerfile:2: COPY: \"/etc/passwd\": not found" },
	{ "a link out of the context leads nowhere", "FROM scratch\nCOPY up /", "Dockerfile:2: COPY: \"/up\": not found" },
	{ "an ignored file is missing", "FROM scratch\nCOPY ignored /", "Dockerfile:2: COPY: \"/ignored\": not found" },
	{ "the base name is empty", "FROM $X", "Dockerfile:1: base name ($X) should not be blank" },
	{ "a reference that is none", "FROM base:", "Dockerfile:1: " },
	{ "a stage is found byte for byte", "FROM scratch AS foo\nFROM Foo", "Dockerfile:2: " },
	{ "copying from oneself", "FROM scratch AS x\nCOPY --from=x / /", "Dockerfile:2: circular dependency detected on stage: x" },
	{ "copying from a later stage", "FROM scratch AS x\nCOPY --from=y / /\nFROM x AS y",
	  "Dockerfile:2: cannot copy from stage \"y\", it needs to be defined before current stage" },
	{ "an index out of range", "FROM scratch\nCOPY --from=7 / /", "Dockerfile:2: invalid stage index 7" },
	{ "a variable in --from", "FROM scratch\nCOPY --from=$x / /",
	  "Dockerfile:2: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround" },
	{ "another platform", "FROM --platform=linux/arm64 scratch", "Dockerfile:1: platform 'linux/arm64' cannot be built here, only 'linux/amd64'" },
	{ "an empty platform", "FROM --platform=$X scratch", "Dockerfile:1: empty platform value from expression $X" },
	{ "a bad signal", "FROM scratch\nSTOPSIGNAL FOO", "Dockerfile:2: invalid signal: FOO" },
	{ "a bad port", "FROM scratch\nEXPOSE 99999", "Dockerfile:2: EXPOSE: invalid containerPort: 99999" },
	{ "a bad protocol", "FROM scratch\nEXPOSE 80/foo", "Dockerfile:2: EXPOSE: invalid port: \"80/foo\": invalid proto: foo" },
	{ "a bad mode", "FROM scratch\nCOPY --chmod=9 f /",
	  "Dockerfile:2: invalid chmod parameter: '9'. it should be octal string and between 0 and 07777" },
	{ "a URL", "FROM scratch\nCOPY https://x/y /", "Dockerfile:2: source can't be a URL for COPY" },
	{ "a pattern that is none", "FROM scratch\nCOPY a[ /", "Dockerfile:2: COPY: syntax error in pattern 'a['" },
	{ "the host's network without permission", "FROM base\nRUN --network=host x", "Dockerfile:2: network.host is not allowed" },
	{ "an unknown network", "FROM base\nRUN --network=foo x", "Dockerfile:2: invalid network mode \"foo\"" },
	{ "insecure", "FROM base\nRUN --security=insecure x", "Dockerfile:2: security.insecure is not allowed" },
	{ "an empty exec form", "FROM base\nRUN []", "Dockerfile:2: RUN requires at least one argument" },
	{ "a bad epoch", "ARG SOURCE_DATE_EPOCH=x\nFROM scratch", "Dockerfile: invalid SOURCE_DATE_EPOCH: x" },
};
/* clang-format on */

Test(plan, every_error_names_file_and_line)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		autofree char *got = NULL;
		_cleanup_(build_plan_freep) struct build_plan *p =
			make_plan(&(struct inputs){.file = errors[i].file,
						   .tree = "f=1\nup@../../etc/shadow\nignored=1",
						   .ignore = "ignored"},
				  &got);

		cr_expect_null(p, "%s", errors[i].sentence);
		cr_expect(got && strncmp(got, errors[i].want, strlen(errors[i].want)) == 0,
			  "%s:\n%s\ngot  %s\nwant %s", errors[i].sentence, errors[i].file, got,
			  errors[i].want);
	}
}

Test(plan, an_unknown_target_is_an_error_and_an_index_is_none)
{
	autofree char *got = NULL;
	_cleanup_(build_plan_freep) struct build_plan *p =
		make_plan(&(struct inputs){.file = "FROM scratch", .target = "0"}, &got);

	cr_expect_str_eq(got, "Dockerfile: target stage \"0\" could not be found");
}

Test(plan, only_stages_the_target_needs_are_planned)
{
	_cleanup_(build_plan_freep) struct build_plan *p = must_plan(&(struct inputs){
		.file = "FROM scratch AS a\nWORKDIR /a\n"
			"FROM no/such:image AS broken\nCOPY nope /\n"
			"FROM a AS b\nWORKDIR /b\n"
			"FROM scratch AS c\nCOPY --from=A /a /\nCOPY --from=2 /b /\n"
			"FROM broken",
		.target = "C"});

	cr_expect_eq(p->target, 3);
	cr_expect(p->stages[0].needed && !p->stages[1].needed && p->stages[2].needed &&
		  p->stages[3].needed && !p->stages[4].needed);
	cr_expect_eq(plan_count_steps(p), 4);
	cr_expect_eq(p->stages[3].steps[0].from.stage, 0);
	cr_expect_eq(p->stages[3].steps[1].from.stage, 2);
}

Test(plan, bases_are_named_before_they_are_needed)
{
	static const char file[] = "ARG V=1\nFROM x:$V AS a\nFROM unused\nFROM scratch\n"
				   "COPY --from=a / /\nCOPY --from=y / /\nCOPY --from=x:1 / /";
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	autodiag d = {.file = "Dockerfile"};
	autostrlist refs = {};

	cr_assert_eq(dockerfile_parse(&f, file, strlen(file), &d), 0);
	cr_assert_eq(
		plan_bases(&refs, &(struct plan_input){.file = f, .platform = "linux/amd64"}, &d),
		0);
	cr_assert_eq(refs.n, 2);
	cr_expect_str_eq(refs.items[0], "x:1");
	cr_expect_str_eq(refs.items[1], "y");
}

Test(plan, triggers_of_a_base_image_are_refused)
{
	autofree char *got = NULL;
	_cleanup_(build_plan_freep) struct build_plan *p =
		make_plan(&(struct inputs){.file = "FROM base",
					   .base = "{\"config\":{\"OnBuild\":[\"RUN x\"]}}"},
			  &got);

	cr_expect_str_eq(
		got,
		"Dockerfile:1: base image 'base' has ONBUILD triggers, which are not supported yet");
}

/* clang-format off */
static const struct {
	const char *file;
	const char *want; /* created_by, one per line; "-" marks an empty layer */
} histories[] = {
	{ "FROM base\nARG A=1\nARG B\nENV x=\"$A\" y=2\nRUN echo  $x\nRUN [\"a\", \"b\"]",
	  "-ARG A=1\n-ARG B\n-ENV x=1 y=2\nRUN |1 A=1 /bin/sh -c echo  $x # buildkit\nRUN |1 A=1 a b # buildkit\n" },
	{ "FROM scratch\nENV d=/x\nWORKDIR /\nWORKDIR w\nCOPY --chown=1:2 --chmod=755 f $d/\nCMD [\"a\", \"b\"]\nEXPOSE 80 53/udp\n"
	  "VOLUME /a /b\nSHELL [\"/bin/sh\", \"-ec\"]\nUSER u\nSTOPSIGNAL TERM\nMAINTAINER me",
	  "-ENV d=/x\n-WORKDIR /\nWORKDIR /w\nCOPY --chown=1:2 --chmod=755 f /x/ # buildkit\n-CMD [\"a\" \"b\"]\n"
	  "-EXPOSE [53/udp 80/tcp]\n-VOLUME [/a /b]\n-SHELL [/bin/sh -ec]\n-USER u\n-STOPSIGNAL TERM\n-MAINTAINER me\n" },
};
/* clang-format on */

Test(plan, history)
{
	for (size_t i = 0; i < ARRAY_SIZE(histories); i++) {
		_cleanup_(build_plan_freep) struct build_plan *p =
			must_plan(&(struct inputs){.file = histories[i].file, .tree = "f=1"});
		autostrbuf got = STRBUF_INIT;

		for (size_t k = 0; k < target(p)->n_history; k++)
			strbuf_addf(&got, "%s%s\n", target(p)->history[k].empty_layer ? "-" : "",
				    target(p)->history[k].created_by);
		cr_expect_str_eq(strbuf_str(&got), histories[i].want, "%s\ngot\n%s",
				 histories[i].file, strbuf_str(&got));
	}
}

Test(plan, destinations)
{
	/* clang-format off */
	static const char *const cases[][2] = {
		{ ".", "/w/" }, { "./", "/w/" }, { "x", "/w/x" }, { "x/", "/w/x/" }, { "/", "/" }, { "/a/../b", "/b" },
		{ "../../x", "/x" }, { "$D/", "/d/" }, { "x/.", "/w/x/" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *file =
			mem_asprintf("FROM scratch\nENV D=/d\nWORKDIR /w\nCOPY f %s", cases[i][0]);
		_cleanup_(build_plan_freep) struct build_plan *p =
			must_plan(&(struct inputs){.file = file, .tree = "f=1"});

		cr_expect_str_eq(target(p)->steps[1].dest, cases[i][1], "%s: %s", cases[i][0],
				 target(p)->steps[1].dest);
	}
}

/* The keys of the target's steps as a chain on made-up layers: equal text, equal cache hits. */
static void step_keys(struct strlist *ret, const struct build_plan *p)
{
	char below[DIGEST_STR_SIZE] = "", key[DIGEST_STR_SIZE];

	for (size_t i = 0; i < target(p)->n_steps; i++) {
		plan_step_key(key, &target(p)->steps[i], below, NULL);
		strlist_add(ret, key);
		/* A step that is another one makes another layer. */
		plan_chain(below, below, key);
	}
}

#define FILE_0                                                                                     \
	"FROM base\nENV e=1\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]"
#define TREE_0 "f=1\nd/\nd/a=2\nother=3"

/* clang-format off */
static const struct {
	const char *sentence;
	struct inputs in;
	size_t kept;   /* how many of the 4 steps keep their key */
	bool same;     /* the plan's key stays */
} mutations[] = {
	{ "nothing", { .file = FILE_0 }, 4, true },
	{ "a comment, case, blanks, continuation",
	  { .file = "# c\nfrom base\nenv  e=1\ncopy d \\\n f /app/\nRUN   make all\nWorkDir /w\nRUN [ \"x\" ]\nCMD [\"y\"]" }, 4, true },
	{ "another form of the same source path", { .file = "FROM base\nENV e=1\nCOPY ./d/ /f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 4, false },
	{ "an unrelated file", { .file = FILE_0, .tree = "f=1\nd/\nd/a=2\nother=4" }, 4, true },
	{ "an ignored new file", { .file = FILE_0, .tree = TREE_0 "\nd/x=1", .ignore = "d/x" }, 4, true },
	{ "CMD", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"z\"]" }, 4, false },
	{ "LABEL before RUN", { .file = "FROM base\nENV e=1\nLABEL l=1\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 4, false },
	{ "the configuration of the base", { .file = FILE_0, .base = "{\"config\":{\"Env\":[\"PATH=/bin\",\"B=base\"],\"Cmd\":[\"bash\"],\"User\":\"7\"}}", .base_digest = DIGEST_2 }, 4, false },
	{ "the digest of the base", { .file = FILE_0, .base_digest = DIGEST_2 }, 4, false },
	{ "content", { .file = FILE_0, .tree = "f=1\nd/\nd/a=3\nother=3" }, 0, false },
	{ "mode", { .file = FILE_0, .tree = "f*=1\nd/\nd/a=2\nother=3" }, 0, false },
	{ "a file added to a copied directory", { .file = FILE_0, .tree = TREE_0 "\nd/x=1" }, 0, false },
	{ "the order of sources", { .file = "FROM base\nENV e=1\nCOPY f d /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 0, false },
	{ "the destination", { .file = "FROM base\nENV e=1\nCOPY d f /opt/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 0, false },
	{ "an owner", { .file = "FROM base\nENV e=1\nCOPY --chown=1 d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 0, false },
	{ "a mode flag", { .file = "FROM base\nENV e=1\nCOPY --chmod=600 d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 0, false },
	{ "ENV before COPY and RUN: COPY stays", { .file = "FROM base\nENV e=2\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 1, false },
	{ "an ARG before RUN", { .file = "FROM base\nENV e=1\nARG q=1\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 1, false },
	{ "white space in a RUN", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nRUN make  all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 1, false },
	{ "USER before RUN", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nUSER 1\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 1, false },
	{ "SHELL before RUN", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nSHELL [\"/bin/sh\",\"-ec\"]\nRUN make all\nWORKDIR /w\nRUN [\"x\"]\nCMD [\"y\"]" }, 1, false },
	{ "the network", { .file = FILE_0, .host_network = true }, 1, false },
	{ "a variable of the base", { .file = FILE_0, .base = "{\"config\":{\"Env\":[\"PATH=/bin\",\"B=other\"],\"User\":\"7\"}}" }, 1, false },
	{ "WORKDIR", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nRUN make all\nWORKDIR /v\nRUN [\"x\"]\nCMD [\"y\"]" }, 2, false },
	{ "an epoch changes directories made by WORKDIR", { .file = FILE_0, .build_args = "{\"SOURCE_DATE_EPOCH\":\"5\"}" }, 2, false },
	{ "the last RUN", { .file = "FROM base\nENV e=1\nCOPY d f /app/\nRUN make all\nWORKDIR /w\nRUN [\"z\"]\nCMD [\"y\"]" }, 3, false },
	{ "an undeclared proxy", { .file = FILE_0, .build_args = "{\"HTTP_PROXY\":\"x\"}" }, 4, true },
};
/* clang-format on */

Test(plan, keys_depend_on_exactly_their_ingredients)
{
	_cleanup_(build_plan_freep) struct build_plan *base =
		must_plan(&(struct inputs){.file = FILE_0, .tree = TREE_0});
	autostrlist want = {};

	step_keys(&want, base);
	cr_assert_eq(want.n, 4);
	for (size_t i = 0; i < ARRAY_SIZE(mutations); i++) {
		struct inputs in = mutations[i].in;
		_cleanup_(build_plan_freep) struct build_plan *p = NULL;
		autostrlist got = {};
		size_t kept = 0;

		in.tree = in.tree ? in.tree : TREE_0;
		p = must_plan(&in);
		step_keys(&got, p);
		cr_assert_eq(got.n, 4);
		while (kept < 4 && str_eq(got.items[kept], want.items[kept]))
			kept++;
		cr_expect_eq(kept, mutations[i].kept, "%s: %zu steps keep their key, want %zu",
			     mutations[i].sentence, kept, mutations[i].kept);
		cr_expect_eq(str_eq(p->key, base->key), mutations[i].same, "%s: the plan's key",
			     mutations[i].sentence);
	}
}

Test(plan, a_key_depends_on_the_layers_below_and_the_copied_content)
{
	_cleanup_(build_plan_freep) struct build_plan *p = must_plan(&(struct inputs){
		.file = "FROM scratch AS a\nWORKDIR /x\nFROM scratch\nCOPY --from=a /x /"});
	const struct plan_step *s = &target(p)->steps[0];
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE], c[DIGEST_STR_SIZE], d[DIGEST_STR_SIZE];

	plan_step_key(a, s, "", DIGEST_1);
	plan_step_key(b, s, DIGEST_1, DIGEST_1);
	plan_step_key(c, s, "", DIGEST_2);
	plan_step_key(d, s, "", DIGEST_1);
	cr_expect_str_neq(a, b);
	cr_expect_str_neq(a, c);
	cr_expect_str_eq(a, d);
}

Test(plan, chain_ids_are_those_of_the_image_specification)
{
	char chain[DIGEST_STR_SIZE] = "";

	plan_chain(chain, chain, DIGEST_1);
	cr_expect_str_eq(chain, DIGEST_1);
	plan_chain(chain, chain, DIGEST_2);
	/* printf '%s %s' DIGEST_1 DIGEST_2 | sha256sum */
	cr_expect_str_eq(chain,
			 "sha256:9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5");
}
