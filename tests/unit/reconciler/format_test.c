/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of strings: what passes, and the hostile names that must not. */
#include "reconciler/format.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct {
	enum format format;
	const char *good[12];
	const char *bad[16];
} forms[] = {
	{ FORMAT_DNS_LABEL, { "a", "0", "a-b", "web-1", A60 "aaa" },
	  { "", "-a", "a-", "A", "a.b", "a_b", "../a", "a/b", "a b", "\xc3\xa4", A60 "aaaa", "a\n" } },
	{ FORMAT_DNS_SUBDOMAIN, { "a", "a.b", "a-b.c-d", A60 A60 A60 A60 },
	  { "", ".", "..", "a..b", ".a", "a.", "a.-b", "a-.b", "A", "a/b", A60 A60 A60 A60 A60 } },
	{ FORMAT_QUALIFIED_NAME, { "app", "a.b/c", "A_b.c-D", "app.kubernetes.io/name" },
	  { "", "/a", "a/", "a/b/c", "-a", "A.b/c", "a b", A60 "aaaa" } },
	{ FORMAT_LABEL_VALUE, { "", "a", "1.2_3-4", "A" }, { "-a", "a-", "a b", "a/b", ".a", A60 "aaaa" } },
	{ FORMAT_PORT_NAME, { "http", "a", "a-1", "1a" }, { "", "80", "-a", "a-", "a--b", "A", "a_b", "abcdefghijklmnop" } },
	{ FORMAT_ENV_NAME, { "A", "a.b-c", "A B", "0" }, { "", "A=B", "A\n", "\x7f", "\xc3\xa4" } },
	{ FORMAT_CONFIG_KEY, { "a", "a.b", ".a", "A_b-c" }, { "", ".", "..", "..a", "../a", "a/b", "a b" } },
	{ FORMAT_BASE64, { "", "YQ==", "YWI=", "YWJj", "YW\nJj\n" }, { "Y", "YQ=", "YQ==YQ==", "Y Q==", "Y!==", "====" } },
	{ FORMAT_ABS_PATH, { "/", "/a", "/a/..b" }, { "", "a", "/..", "/a/../b", "../a" } },
	{ FORMAT_REL_PATH, { "a", "a/b", "..a", "." }, { "", "/a", "..", "a/..", "a/../b", "../a" } },
	{ FORMAT_MOUNT_PATH, { "/a", "a" }, { "", "/a:ro", "/a/../b" } },
	{ FORMAT_CONTEXT_PATH, { ".", "a/b", "../a", "/a", "/" }, { "", "https://x/y", "a\nb" } },
	{ FORMAT_IMAGE, { "a", "a:1", "a/b:V_1.x", "localhost/a", "r.example:5000/a/b:1", "a__b-c/e--f.g", "docker.io/library/nginx",
	  "a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
	  "a:1@sha256:0000000000000000000000000000000000000000000000000000000000000000" },
	  { "", "A", "a:", "a b", "/a", "a/", "a//b", "a@sha256:1", "a:-x", "r.example:port/a", "_a", "a..b", "a___b", "../a", "http://a/b" } },
	{ FORMAT_IMAGE_TAG, { "a", "team/a:v2", "localhost/a:1" }, { "", "r.example/a", "r:5000/a", "A", "a:",
	  "a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "localhost/", "localhost/localhost/a:" } },
	{ FORMAT_PLATFORM, { "linux/amd64", "linux/arm/v7" }, { "", "linux", "linux/", "/amd64", "a/b/c/d", "Linux/amd64" } },
	{ FORMAT_PERCENT, { "0%", "25%", "100%" }, { "", "%", "25", "-1%", "2.5%", "25%%" } },
	{ FORMAT_IP, { "1.2.3.4", "::1" }, { "", "1.2.3", "1.2.3.4/24", "host", "01.2.3.4" } },
	{ FORMAT_SYSCTL, { "net.ipv4.ip_forward", "kernel/shm" }, { "", "a b", "../a", "a..b", "+x", "Net" } },
	{ FORMAT_CAPABILITY, { "NET_ADMIN", "ALL" }, { "", "CAP_X", "net_admin", "A-B" } },
	{ FORMAT_ARG_NAME, { "A", "_a1" }, { "", "1a", "a-b", "a=b" } },
	{ FORMAT_BRANCH, { "main", "release/1.2", "a.b", "v1", "a.locks" },
	  { "", "-a", "/a", "a/", "a//b", "a..b", ".a", "a/.b", "a.", "a./b", "a.lock", "a.lock/b", "a b", "a~1", "a@{1}", "a\n" } },
	{ FORMAT_HTTP_URL, { "http://a", "https://a.example/b?c", "http://[::1]:80/" },
	  { "", "a", "ftp://a", "http://", "http:///x", "http://u:p@a/", "https://a b", "http://a\n", "HTTP://a", "http://:80" } },
	{ FORMAT_HEADER, { "X-A", "Authorization", "a_b" }, { "", "A B", "A:", "A\n", "\xc3\xa4" } },
	{ FORMAT_USER, { "nobody", "www-data", "_a.b" }, { "", "-a", "a b", "a:b", "0/0" } },
};
/* clang-format on */

Test(format, good_ones_pass_and_bad_ones_do_not)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(forms[i].good) && forms[i].good[k]; k++)
			cr_expect_null(format_check(forms[i].format, forms[i].good[k]),
				       "form %d: '%s'", (int)forms[i].format, forms[i].good[k]);
		for (size_t k = 0; k < ARRAY_SIZE(forms[i].bad) && forms[i].bad[k]; k++)
			cr_expect(format_check(forms[i].format, forms[i].bad[k]), "form %d: '%s'",
				  (int)forms[i].format, forms[i].bad[k]);
	}
}

Test(format, every_form_says_what_is_wanted)
{
	static const char nonsense[] = "\x01\n=@:/../%";

	for (int f = 1; f < FORMAT_N_; f++) {
		const char *wanted = format_check((enum format)f, nonsense);

		cr_expect(wanted && !strncmp(wanted, "must ", 5), "form %d: %s", f, wanted);
	}
}

/* clang-format off */
static const struct {
	const char *ref;
	bool registry, tag, latest;
} references[] = {
	{ "nginx", false, false, true },
	{ "nginx:latest", false, true, true },
	{ "nginx:1", false, true, false },
	{ "a/b", false, false, true },
	{ "localhost/a", true, false, true },
	{ "r:5000/a", true, false, true },
	{ "r:5000/a:latest", true, true, true },
	{ "r.example/a:2", true, true, false },
	{ "a@sha256:x", false, true, false },
	{ "a:latest@sha256:x", false, true, true },
};
/* clang-format on */

Test(format, parts_of_image_references)
{
	for (size_t i = 0; i < ARRAY_SIZE(references); i++) {
		bool latest = false;

		cr_expect_eq(format_image_has_registry(references[i].ref), references[i].registry,
			     "%s", references[i].ref);
		cr_expect_eq(format_image_has_tag(references[i].ref, &latest), references[i].tag,
			     "%s", references[i].ref);
		cr_expect_eq(latest, references[i].latest, "%s", references[i].ref);
	}
}
