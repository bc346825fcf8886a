/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of names that never act.
 */
#include "watch/ignore_priv.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum match {
	MATCH_EXACT,
	MATCH_PREFIX,
	MATCH_SUFFIX,
	MATCH_AROUND, /* first and last character */
	MATCH_SED,    /* "sed" and six random letters or digits */
};

/* clang-format off */
static const struct rule {
	enum match match;
	const char *text;
	enum ignore verdict;
} rules[] = {
	{ MATCH_EXACT,  ".dockerignore",  IGNORE_NO },
	{ MATCH_PREFIX, ".#",             IGNORE_TEMP },   /* emacs: lock */
	{ MATCH_AROUND, "#",              IGNORE_TEMP },   /* emacs: auto-save */
	{ MATCH_SUFFIX, "~",              IGNORE_TEMP },   /* emacs, vim, nano, gedit: backup */
	{ MATCH_SUFFIX, ".swp",           IGNORE_TEMP },   /* vim: swap files */
	{ MATCH_SUFFIX, ".swo",           IGNORE_TEMP },
	{ MATCH_SUFFIX, ".swx",           IGNORE_TEMP },
	{ MATCH_SUFFIX, ".swpx",          IGNORE_TEMP },
	{ MATCH_EXACT,  "4913",           IGNORE_TEMP },   /* vim: can the directory be written? */
	{ MATCH_SUFFIX, ".kate-swp",      IGNORE_TEMP },
	{ MATCH_PREFIX, ".goutputstream-", IGNORE_TEMP },  /* GLib */
	{ MATCH_PREFIX, ".~lock.",        IGNORE_TEMP },   /* LibreOffice */
	{ MATCH_PREFIX, "~$",             IGNORE_TEMP },   /* Office */
	{ MATCH_SUFFIX, "___jb_tmp___",   IGNORE_TEMP },   /* JetBrains: safe write */
	{ MATCH_SUFFIX, "___jb_old___",   IGNORE_TEMP },
	{ MATCH_SUFFIX, "___jb_bak___",   IGNORE_TEMP },
	{ MATCH_SED,    NULL,             IGNORE_TEMP },   /* sed -i */
	{ MATCH_PREFIX, ".nfs",           IGNORE_TEMP },   /* NFS: removed while open */
	{ MATCH_SUFFIX, ".tmp",           IGNORE_TEMP },
	{ MATCH_SUFFIX, ".temp",          IGNORE_TEMP },
	{ MATCH_SUFFIX, ".part",          IGNORE_TEMP },   /* downloads */
	{ MATCH_SUFFIX, ".crdownload",    IGNORE_TEMP },
	{ MATCH_SUFFIX, ".filepart",      IGNORE_TEMP },   /* WinSCP */
	{ MATCH_EXACT,  "lost+found",     IGNORE_HIDDEN }, /* root of an ext4 */
	{ MATCH_PREFIX, ".",              IGNORE_HIDDEN },
};
/* clang-format on */

/* "sedentary" is a word, "sedA1b2C3" is not: at least one capital or digit. One in 200 of sed's
 * names has none. */
static bool is_sed(const char *name)
{
	bool random = false;

	if (strlen(name) != 9 || !str_skip_prefix(name, "sed"))
		return false;
	for (const char *p = name + 3; *p; p++) {
		if (!isalnum((unsigned char)*p))
			return false;
		random |= !islower((unsigned char)*p);
	}
	return random;
}

static bool matches(const struct rule *rule, const char *name)
{
	size_t n = strlen(name);

	switch (rule->match) {
	case MATCH_EXACT:
		return str_eq(name, rule->text);
	case MATCH_PREFIX:
		return str_skip_prefix(name, rule->text) != NULL;
	case MATCH_SUFFIX:
		return str_has_suffix(name, rule->text);
	case MATCH_AROUND:
		return n > 1 && name[0] == rule->text[0] && name[n - 1] == rule->text[0];
	case MATCH_SED:
		return is_sed(name);
	}
	return false;
}

enum ignore ignore_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (matches(&rules[i], name))
			return rules[i].verdict;
	return IGNORE_NO;
}
