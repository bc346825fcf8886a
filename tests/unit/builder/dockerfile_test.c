/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Dockerfiles: logical lines, instructions, and every error with its line. */
#include "builder/dockerfile.h"

#include <criterion/criterion.h>

#include "base/strbuf.h"

/* The instructions of TEXT, one per line: "LINE KEYWORD [json] flags args pairs"; or the errors. */
static char *dump(const char *text, size_t n)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	autodiag d = {.file = "Dockerfile"};
	autostrbuf sb = STRBUF_INIT;

	if (dockerfile_parse(&f, text, n, &d) < 0) {
		for (size_t i = 0; i < d.errors.n; i++)
			strbuf_addf(&sb, "%s%s", i ? "\n" : "", d.errors.items[i]);
		return strbuf_take(&sb);
	}
	for (size_t i = 0; i < f->n; i++) {
		const struct instr *in = &f->instrs[i];

		strbuf_addf(&sb, "%s%u %s", i ? "\n" : "", in->line, instr_name(in->kind));
		strbuf_adds(&sb, in->json ? " json" : "");
		for (size_t k = 0; k < in->n_flags; k++)
			strbuf_addf(&sb, " --%s=%s", in->flags[k].name, in->flags[k].value);
		for (size_t k = 0; k < in->args.n; k++)
			strbuf_addf(&sb, " <%s>", in->args.items[k]);
		for (size_t k = 0; k < in->n_pairs; k++)
			strbuf_addf(&sb, " <%s%s%s>", in->pairs[k].key,
				    in->pairs[k].value ? "=" : "",
				    in->pairs[k].value ? in->pairs[k].value : "");
	}
	return strbuf_take(&sb);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *want;
} good[] = {
	{ "a keyword may have any case and leading tabs", "FROM a\n\trUn  x  y", "1 FROM <a>\n2 RUN <x  y>" },
	{ "a byte order mark and CRLF are removed", "\xef\xbb\xbf" "FROM a\r\nRUN b\r\n", "1 FROM <a>\n2 RUN <b>" },
	{ "comments and blank lines are no instructions", "# c\n\nFROM a\n  # d\nRUN x # y\n", "3 FROM <a>\n5 RUN <x # y>" },
	{ "a backslash at the end continues the line", "FROM a\nRUN x \\\n  y\nRUN z", "1 FROM <a>\n2 RUN <x   y>\n4 RUN <z>" },
	{ "blanks may follow the backslash", "FROM a\nRUN x \\ \t\ny", "1 FROM <a>\n2 RUN <x y>" },
	{ "two backslashes do not continue", "FROM a\nRUN x \\\\\nRUN y", "1 FROM <a>\n2 RUN <x \\\\>\n3 RUN <y>" },
	{ "comments and blank lines vanish inside of a continuation",
	  "FROM a\nRUN x \\\n# c \\\n\n  y", "1 FROM <a>\n2 RUN <x   y>" },
	{ "the end of file ends a continuation", "FROM a\nRUN x \\\n", "1 FROM <a>\n2 RUN <x>" },
	{ "escape=` makes the backslash ordinary", "# escape=`\nFROM a\nRUN c:\\ `\n d", "2 FROM <a>\n3 RUN <c:\\  d>" },
	{ "a directive after a comment is a comment", "# hi\n# escape=`\nFROM a\nRUN x \\\ny", "3 FROM <a>\n4 RUN <x y>" },
	{ "a directive after a blank line is a comment", "\n# escape=`\nFROM a\nRUN x \\\ny", "3 FROM <a>\n4 RUN <x y>" },
	{ "a directive after an unknown one is a comment", "# foo=1\n# escape=`\nFROM a\nRUN x \\\ny", "3 FROM <a>\n4 RUN <x y>" },
	{ "a shebang ends the directives", "#!/bin/x\n# escape=`\nFROM a\nRUN x \\\ny", "3 FROM <a>\n4 RUN <x y>" },
	{ "the syntax directive is accepted and ignored", "# syntax=docker/dockerfile:1\nFROM a", "2 FROM <a>" },
	{ "exec form is a JSON array of strings", "FROM a\nCMD [\"x\", \"\\u0041\"]", "1 FROM <a>\n2 CMD json <x> <A>" },
	{ "JSON with trailing text is shell form", "FROM a\nCMD [\"x\"] # y", "1 FROM <a>\n2 CMD <[\"x\"] # y>" },
	{ "JSON with single quotes is shell form", "FROM a\nCMD ['x']", "1 FROM <a>\n2 CMD <['x']>" },
	{ "an empty array is exec form without words", "FROM a\nCMD []", "1 FROM <a>\n2 CMD json" },
	{ "broken JSON of a list is split into words", "FROM a\nCOPY [\"a\", \"b\"", "1 FROM <a>\n2 COPY <[\"a\",> <\"b\">" },
	{ "COPY does not honour quotes when it splits", "FROM a\nCOPY \"a b\" c", "1 FROM <a>\n2 COPY <\"a> <b\"> <c>" },
	{ "flags come first and may be quoted", "FROM a\nCOPY --chown=\"1:2\" --from=x a b", "1 FROM <a>\n2 COPY --chown=1:2 --from=x <a> <b>" },
	{ "a bare -- ends the flags", "FROM a\nCOPY -- --chown=1 b", "1 FROM <a>\n2 COPY <--chown=1> <b>" },
	{ "a flag after an argument is an argument", "FROM a\nCOPY x --chown=1 b", "1 FROM <a>\n2 COPY <x> <--chown=1> <b>" },
	{ "ENV keeps quotes and escapes until expansion", "FROM a\nENV a=\"x y\" b=c\\ d", "1 FROM <a>\n2 ENV <a=\"x y\"> <b=c\\ d>" },
	{ "legacy ENV takes the rest of the line", "FROM a\nENV k  v  w=1 ", "1 FROM <a>\n2 ENV <k=v  w=1>" },
	{ "an empty value is a value", "FROM a\nLABEL k=", "1 FROM <a>\n2 LABEL <k=>" },
	{ "ARG takes several names with and without defaults", "ARG a b=1\nFROM x", "1 ARG <a> <b=1>\n2 FROM <x>" },
	{ "USER and WORKDIR take the whole rest", "FROM a\nUSER a b\nWORKDIR c d", "1 FROM <a>\n2 USER <a b>\n3 WORKDIR <c d>" },
	{ "a stage name is lower-cased", "FROM a aS Build", "1 FROM <a> <aS> <build>" },
	{ "a here-string is no heredoc", "FROM a\nRUN cat <<<x", "1 FROM <a>\n2 RUN <cat <<<x>" },
	{ "a shift is no heredoc", "FROM a\nRUN echo $((1<<2))", "1 FROM <a>\n2 RUN <echo $((1<<2))>" },
};

static const struct {
	const char *sentence;
	const char *text;
	const char *want;
} bad[] = {
	{ "an empty file", "", "Dockerfile: the Dockerfile cannot be empty" },
	{ "only comments", "# a\n\n", "Dockerfile: file with no instructions" },
	{ "only ARG", "ARG a\n", "Dockerfile: dockerfile contains no stages to build" },
	{ "a misspelt instruction is named with its line and the nearest one", "FROM a\n\nRNU x",
	  "Dockerfile:3: unknown instruction: RNU (did you mean RUN?)" },
	{ "an instruction like no other", "FROM a\nFROBNICATE", "Dockerfile:2: unknown instruction: FROBNICATE" },
	{ "every error is told, not only the first", "FROM a b\nCOPY x\nUSER\nENV =x\nARG =x",
	  "Dockerfile:1: FROM requires either one or three arguments\n"
	  "Dockerfile:2: COPY requires at least two arguments, but only one was provided. Destination could not be determined\n"
	  "Dockerfile:3: USER requires exactly one argument\n"
	  "Dockerfile:4: ENV names can not be blank\n"
	  "Dockerfile:5: ARG names can not be blank" },
	{ "the line is the one of the keyword", "FROM a\nCOPY \\\n\\\nx\nRUN ok", 
	  "Dockerfile:2: COPY requires at least two arguments, but only one was provided. Destination could not be determined" },
	{ "RUN before FROM", "RUN x\nFROM a", "Dockerfile:1: RUN: no build stage in current context" },
	{ "an array of other things", "FROM a\nCMD [1]",
	  "Dockerfile:2: when using JSON array syntax, arrays must be comprised of strings only" },
	{ "an unknown flag", "FROM a\nCOPY --form=x a b", "Dockerfile:2: unknown flag: --form (did you mean --from?)" },
	{ "a flag twice", "FROM a\nCOPY --from=x --from=y a b", "Dockerfile:2: duplicate flag specified: --from" },
	{ "a flag without value", "FROM a\nCOPY --from a b", "Dockerfile:2: missing a value on flag: --from" },
	{ "ENV without =", "FROM a\nENV a=b c",
	  "Dockerfile:2: Syntax error - can't find = in \"c\". Must be of the form: name=value" },
	{ "legacy ENV without value", "FROM a\nENV a", "Dockerfile:2: ENV must have two arguments" },
	{ "SHELL in shell form", "FROM a\nSHELL bash", "Dockerfile:2: SHELL requires the arguments to be in JSON form" },
	{ "a bad stage name", "FROM a AS 1x",
	  "Dockerfile:1: invalid name for build stage: \"1x\", name can't start with a number or contain symbols" },
	{ "a bad escape directive", "# escape=x\nFROM a", "Dockerfile:1: invalid escape token 'x' does not match ` or \\" },
	{ "a directive twice", "# escape=`\n# escape=`\nFROM a", "Dockerfile:2: only one escape parser directive can be used" },
	{ "an instruction that is known but not built yet", "FROM a\nADD x /", "Dockerfile:2: ADD is not supported yet" },
	{ "a flag that is known but not built yet", "FROM a\nRUN --mount=type=cache,target=/x y",
	  "Dockerfile:2: RUN --mount is not supported yet" },
	{ "the body of a heredoc is not taken for instructions", "FROM a\nRUN <<EOF\nFOO\nEOF\nBAR",
	  "Dockerfile:2: RUN with a heredoc (<<EOF) is not supported yet\nDockerfile:5: unknown instruction: BAR" },
	{ "a heredoc without end", "FROM a\nCOPY <<-E /x\nFOO",
	  "Dockerfile:2: COPY with a heredoc (<<E) is not supported yet\nDockerfile:2: unterminated heredoc" },
	{ "control bytes in a message are escaped", "FROM a\nB\x1b[1m x", "Dockerfile:2: unknown instruction: B\\x1b[1m" },
	{ "an instruction that is no UTF-8", "FROM a\nENV a=\xff", "Dockerfile:2: ENV is not valid UTF-8" },
};
/* clang-format on */

Test(dockerfile, reads_what_buildkit_reads)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		autofree char *got = dump(good[i].text, strlen(good[i].text));

		cr_expect_str_eq(got, good[i].want, "%s:\n%s\ngot\n%s\nwant\n%s", good[i].sentence,
				 good[i].text, got, good[i].want);
	}
}

Test(dockerfile, names_file_and_line_of_every_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autofree char *got = dump(bad[i].text, strlen(bad[i].text));

		cr_expect_str_eq(got, bad[i].want, "%s:\n%s\ngot\n%s\nwant\n%s", bad[i].sentence,
				 bad[i].text, got, bad[i].want);
	}
}

Test(dockerfile, refuses_a_nul_byte_and_overlong_lines)
{
	static const char nul[] = "FROM a\nRUN \0x";
	autofree char *got = dump(nul, sizeof(nul) - 1);
	autostrbuf sb = STRBUF_INIT;
	autofree char *longer = NULL;

	cr_expect_str_eq(got, "Dockerfile: the Dockerfile contains a NUL byte");
	strbuf_adds(&sb, "FROM a\nRUN ");
	for (size_t i = 0; i < DOCKERFILE_MAX_LINE; i++)
		strbuf_addc(&sb, 'x');
	longer = dump(sb.data, sb.len);
	cr_expect_str_eq(longer,
			 "Dockerfile:2: dockerfile line greater than max allowed size of 65535");
}

Test(dockerfile, errors_become_one_invalid_err)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	autodiag d = {.file = "app/Dockerfile"};
	struct err err = {};

	cr_assert_lt(dockerfile_parse(&f, "FROM a\nX\nY", 10, &d), 0);
	cr_expect_eq(diag_to_err(&d, &err), -EINVAL);
	cr_expect_eq(err.kind, ERR_INVALID);
	cr_expect_str_eq(err.reason, "BuildFailed");
	cr_expect_str_eq(err.message, "app/Dockerfile:2: unknown instruction: X\n"
				      "app/Dockerfile:3: unknown instruction: Y");
}
