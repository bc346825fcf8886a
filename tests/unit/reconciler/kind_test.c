/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds are found by manifest, by command line word and by API path. */
#include "reconciler/kind.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/str.h"

Test(kind, every_row_is_complete_and_found_by_all_its_names)
{
	for (int k = 0; k < KIND_N_; k++) {
		const struct kind_info *i = kind_info((enum kind)k);
		enum kind got = KIND_N_;

		cr_assert(i->name && i->plural && i->singular && i->short_names &&
			  i->apply_order > 0);
		cr_assert_eq(kind_lookup(&got, i->api_version, i->name), 1);
		cr_assert_eq((int)got, k);
		cr_assert_eq(kind_from_path(&got, i->group, i->version, i->plural), 1);
		cr_assert_eq((int)got, k);
	}
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *word;
	int found;
	enum kind kind;
} words[] = {
	{ "a plural is understood", "deployments", 1, KIND_DEPLOYMENT },
	{ "a singular is understood", "replicaset", 1, KIND_REPLICASET },
	{ "a short name is understood", "po", 1, KIND_POD },
	{ "case does not matter", "ConfigMap", 1, KIND_CONFIGMAP },
	{ "a group may follow", "deployments.apps", 1, KIND_DEPLOYMENT },
	{ "a version and a group may follow", "deploy.v1.apps", 1, KIND_DEPLOYMENT },
	{ "our own group may follow", "images.recond.dev", 1, KIND_IMAGE },
	{ "a foreign group is not ours", "deployments.extensions", 0, KIND_N_ },
	{ "the core group has no name", "pods.core", 0, KIND_N_ },
	{ "nothing is no kind", "", 0, KIND_N_ },
	{ "a dot alone is no kind", ".apps", 0, KIND_N_ },
	{ "a comma cannot smuggle a list", "po,", 0, KIND_N_ },
	{ "an unknown word is no kind", "statefulsets", 0, KIND_N_ },
};
/* clang-format on */

Test(kind, words_of_the_command_line)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		enum kind got = KIND_N_;

		cr_expect_eq(kind_from_word(&got, words[i].word), words[i].found, "%s",
			     words[i].sentence);
		cr_expect_eq(got, words[i].kind, "%s: got %d", words[i].sentence, (int)got);
	}
}

Test(kind, an_api_version_must_fit_its_kind)
{
	enum kind got;

	cr_assert_eq(kind_lookup(&got, "v1", "Deployment"), 0);
	cr_assert_eq(kind_lookup(&got, "apps/v1", "deployment"), 0);
	cr_assert_eq(kind_from_path(&got, "apps", "v1", "pods"), 0);
}
