/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that never act: dotfiles, and what editors and tools write beside the file they are about
 * to replace.
 */
#pragma once

enum ignore {
	IGNORE_NO,
	IGNORE_HIDDEN, /* a dotfile: not listed, but a symlink of the tree may lead through it
			  ("..data") */
	IGNORE_TEMP,   /* a temporary file: never of interest */
};

/* What to do with a file or directory of this NAME (one component), by the first row of the table
 * that matches. */
enum ignore ignore_name(const char *name);
