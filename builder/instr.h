/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction of a Dockerfile: keyword, flags and arguments, split but not expanded. One table
 * knows every keyword, its flags and its argument grammar; an instruction that is known but not
 * built yet is in it too, so that the error can say so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "builder/diag.h"

enum instr_kind {
	INSTR_ADD,
	INSTR_ARG,
	INSTR_CMD,
	INSTR_COPY,
	INSTR_ENTRYPOINT,
	INSTR_ENV,
	INSTR_EXPOSE,
	INSTR_FROM,
	INSTR_HEALTHCHECK,
	INSTR_LABEL,
	INSTR_MAINTAINER,
	INSTR_ONBUILD,
	INSTR_RUN,
	INSTR_SHELL,
	INSTR_STOPSIGNAL,
	INSTR_USER,
	INSTR_VOLUME,
	INSTR_WORKDIR,
	INSTR_N_,
};

struct instr_flag {
	char *name;  /* "from", without the dashes */
	char *value; /* unquoted; booleans are "true" or "false" */
};

struct instr_pair {
	char *key;
	char *value; /* NULL: an ARG without a default */
};

struct instr {
	enum instr_kind kind;
	unsigned line; /* of the keyword, from 1 */
	char *text;    /* the whole instruction in one line, keyword in upper case */
	struct instr_flag *flags;
	size_t n_flags;
	bool json;           /* arguments came as a JSON array (the exec form) */
	struct strlist args; /* JSON elements, words, or the one whole argument, by the keyword's
				grammar */
	struct instr_pair *pairs; /* of ENV, LABEL and ARG */
	size_t n_pairs;
};

/* The keyword in upper case. */
const char *instr_name(enum instr_kind kind);

/*
 * Split one logical line (continuations joined, no line end) into *ret, which the caller frees with
 * instr_deinit in any case. ESCAPE is the escape character in force. 0, or -EINVAL with one or more
 * errors in D.
 */
int instr_parse(struct instr *ret, const char *text, unsigned line, char escape, struct diag *d);

/* Free what the instruction owns; idempotent. */
void instr_deinit(struct instr *in);

/* Value of the flag NAME, borrowed, or NULL when it was not given. */
const char *instr_flag(const struct instr *in, const char *name);

/*
 * If the arguments TEXT of a KIND instruction hold a heredoc token, the word that ends its body
 * (unquoted; owned by the caller) and *ret_tabs (leading tabs of the end line do not count); else
 * NULL.
 */
char *instr_heredoc_word(enum instr_kind kind, const char *text, char escape, bool *ret_tabs);
