/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells stories by their numbers. A program of its own and not a Criterion test, because ten
 * thousand of them come in one process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/sim/story.h"

static uint64_t current;

/* An assertion of the policy's failed: which story was it? */
static void on_abort(int signo)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "seed %llu: aborted; RECOND_SIM_SEED=%llu\n",
			 (unsigned long long)current, (unsigned long long)current);

	(void)!write(STDERR_FILENO, text, (size_t)n);
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

static int usage(void)
{
	fprintf(stderr, "usage: sim FIRST LAST\n"
			"Tells the stories FIRST to LAST and checks every rule after every step.\n"
			"RECOND_SIM_SEED=N tells that one only, with all that happens in it.\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *only = getenv("RECOND_SIM_SEED");
	uint64_t first = 0, last = 0, n_broken = 0;

	if (only && str_parse_u64(&first, only, 1, UINT64_MAX) == 0)
		return story_tell(first, true) ? 1 : 0;
	if (argc != 3 || str_parse_u64(&first, argv[1], 1, UINT64_MAX) < 0 ||
	    str_parse_u64(&last, argv[2], first, UINT64_MAX) < 0)
		return usage();
	(void)signal(SIGABRT, on_abort);
	for (current = first; current <= last; current++) {
		if (!story_tell(current, false))
			continue;
		printf("again with all that happens: RECOND_SIM_SEED=%llu %s\n",
		       (unsigned long long)current, argv[0]);
		n_broken++;
	}
	printf("%llu stories, %llu broke a rule\n", (unsigned long long)(last - first + 1),
	       (unsigned long long)n_broken);
	return n_broken > 0 ? 1 : 0;
}
