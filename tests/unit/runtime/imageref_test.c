/* SPDX-License-Identifier: Apache-2.0 */
/* References as people write them, against the grammar of distribution/reference. */
#include "runtime/imageref.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/str.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D "sha256:" HEX

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *full;     /* NULL: refused */
	const char *familiar; /* NULL: as text */
} refs[] = {
	{ "a bare name is of docker.io/library and latest", "web", "docker.io/library/web:latest", "web:latest" },
	{ "a tag is kept", "web:1.2", "docker.io/library/web:1.2", NULL },
	{ "two components are of docker.io", "a/web", "docker.io/a/web:latest", "a/web:latest" },
	{ "localhost is a registry", "localhost/web:1", "localhost/web:1", NULL },
	{ "a dot makes a registry", "ghcr.io/a/b:c", "ghcr.io/a/b:c", NULL },
	{ "a port makes a registry", "host:5000/web:1", "host:5000/web:1", NULL },
	{ "a capital makes a registry", "Host/web:1", "Host/web:1", NULL },
	{ "an IPv6 address may be a registry", "[::1]:5000/web:1", "[::1]:5000/web:1", NULL },
	{ "the index of docker.io is docker.io", "index.docker.io/web", "docker.io/library/web:latest", "web:latest" },
	{ "the full form is understood", "docker.io/library/web:1", "docker.io/library/web:1", "web:1" },
	{ "a digest alone leaves no tag", "web@" D, "docker.io/library/web@" D, NULL },
	{ "tag and digest together", "web:1@" D, "docker.io/library/web:1@" D, NULL },
	{ "without a slash a port is a tag", "host:5000", "docker.io/library/host:5000", NULL },
	{ "separators between letters", "a.b_c__d---e:1", "docker.io/library/a.b_c__d---e:1", NULL },
	{ "an underscore may begin a tag", "web:_x", "docker.io/library/web:_x", NULL },
	{ "library below docker.io keeps its depth", "library/a/b:1", "docker.io/library/a/b:1", NULL },
	{ "empty", "", NULL, NULL },
	{ "only a tag", ":1", NULL, NULL },
	{ "only a digest", "@" D, NULL, NULL },
	{ "a capital in a repository", "Web", NULL, NULL },
	{ "a capital below docker.io", "docker.io/Web", NULL, NULL },
	{ "an empty tag", "web:", NULL, NULL },
	{ "a tag with a dash in front", "web:-1", NULL, NULL },
	{ "a tag with a slash", "web:a/b", NULL, NULL },
	{ "two tags", "web:1:2", NULL, NULL },
	{ "two dots", "a..b", NULL, NULL },
	{ "three underscores", "a___b", NULL, NULL },
	{ "mixed separators", "a._b", NULL, NULL },
	{ "a separator at the end", "a-", NULL, NULL },
	{ "a separator at the front", "-a", NULL, NULL },
	{ "an empty component", "a//b", NULL, NULL },
	{ "a slash at the end", "a/", NULL, NULL },
	{ "a slash at the front", "/a", NULL, NULL },
	{ "dot dot", "../a", NULL, NULL },
	{ "dot dot in the middle", "a/../b", NULL, NULL },
	{ "a registry alone", "ghcr.io/", NULL, NULL },
	{ "a scheme", "https://ghcr.io/a", NULL, NULL },
	{ "a port that is no number", "host.io:x/web", NULL, NULL },
	{ "a registry with a dash at the end", "host-.io/web", NULL, NULL },
	{ "a registry with two dots", "host..io/web", NULL, NULL },
	{ "brackets left open", "[::1/web", NULL, NULL },
	{ "an image id", HEX, NULL, NULL },
	{ "a digest of another algorithm", "web@sha512:" HEX HEX, NULL, NULL },
	{ "a short digest", "web@sha256:1234", NULL, NULL },
	{ "a digest in capitals", "web@sha256:ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL },
	{ "a space", "web 1", NULL, NULL },
	{ "a newline", "web\n", NULL, NULL },
	{ "a character beyond ASCII", "wéb", NULL, NULL },
};
/* clang-format on */

Test(imageref, parse_and_format)
{
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		char full[IMAGEREF_MAX] = "", familiar[IMAGEREF_MAX] = "";
		const char *want = refs[i].familiar ?: refs[i].text;
		struct imageref ref, again;
		struct err err = {};
		int r = imageref_parse(&ref, refs[i].text, &err);

		if (!refs[i].full) {
			cr_expect_eq(r, -EINVAL, "%s: accepted", refs[i].sentence);
			cr_expect_str_eq(err.reason, "InvalidImageName", "%s", refs[i].sentence);
			continue;
		}
		cr_assert_eq(r, 0, "%s: %s", refs[i].sentence, err.message);
		imageref_format(full, &ref);
		imageref_format_familiar(familiar, &ref);
		cr_expect_str_eq(full, refs[i].full, "%s: got %s", refs[i].sentence, full);
		cr_expect_str_eq(familiar, want, "%s: got %s", refs[i].sentence, familiar);
		cr_assert_eq(imageref_parse(&again, familiar, NULL), 0, "%s", refs[i].sentence);
		cr_expect(imageref_equal(&ref, &again), "%s: %s means another", refs[i].sentence,
			  familiar);
	}
}

Test(imageref, a_name_has_at_most_255_characters)
{
	char text[300];
	struct imageref ref;

	memset(text, 'a', sizeof(text));
	text[255 - strlen("docker.io/library/")] = '\0';
	cr_expect_eq(imageref_parse(&ref, text, NULL), 0);
	text[strlen(text)] = 'a';
	text[256 - strlen("docker.io/library/")] = '\0';
	cr_expect_eq(imageref_parse(&ref, text, NULL), -EINVAL);
}

Test(imageref, a_tag_has_at_most_128_characters)
{
	char text[200] = "web:";
	struct imageref ref;

	memset(text + 4, 't', 128);
	cr_expect_eq(imageref_parse(&ref, text, NULL), 0);
	text[4 + 128] = 't';
	cr_expect_eq(imageref_parse(&ref, text, NULL), -EINVAL);
}

Test(imageref, any_length_is_refused_without_harm)
{
	autofree char *text = mem_alloc(100001);
	struct imageref ref;

	memset(text, 'a', 100000);
	text[100000] = '\0';
	cr_expect_eq(imageref_parse(&ref, text, NULL), -EINVAL);
}
