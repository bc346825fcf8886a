/* SPDX-License-Identifier: Apache-2.0 */
/* The work queue: a key once, the earliest time, in order. Cases are little programs. */
#include "reconciler/queue.h"

#include "base/strbuf.h"
#include "tests/unit/policy/lib.h"

/*
 * Words: "+K@T" adds key K (class 0; in capitals class 1) for time T, "-K" removes it, "<T" takes
 * one at time T, "?" asks for the next time, "#" for the length. Answers are joined by spaces.
 */
static const struct {
	const char *name, *program, *answers;
} cases[] = {
	{"an empty queue has nothing, ever", "<9 ? #", "none never 0"},
	{"nothing is taken before it is due", "+a@5 <4 ? <5 <5", "none 5 a none"},
	{"what is due first comes first", "+a@5 +b@3 +c@4 <9 <9 <9", "b c a"},
	{"equal times come in the order they were added", "+c@1 +a@1 +b@1 <1 <1 <1", "c a b"},
	{"a key added twice comes once", "+a@5 +a@5 # <9 <9", "1 a none"},
	{"an earlier time wins", "+a@5 +a@2 ? <2 <9 #", "2 a none 0"},
	{"a later time changes nothing", "+a@2 +a@5 ? <2 <9", "2 a none"},
	{"an overtaken entry does not count as the next", "+a@5 +b@7 +a@2 <2 ?", "a 7"},
	{"a removed key does not come", "+a@1 +b@1 -a # <9 <9", "1 b none"},
	{"a removed key may be added for later", "+a@1 -a +a@8 ? <5 <8 <9", "8 none a none"},
	{"one that was taken may come again", "+a@1 <1 +a@1 <1 <1", "a a none"},
	{"classes do not share keys", "+a@1 +A@1 # <1 <1", "2 a A"},
	{"removing what is not there does nothing", "-a # <1", "0 none"},
};

static const char *run_word(struct queue *q, const char *word)
{
	static char answer[32];
	char *key = NULL;
	unsigned int class = 0;
	uint64_t at = strlen(word) > 3 ? (uint64_t)(word[3] - '0') : 0;
	char lower[2] = {(char)(word[1] | 0x20), '\0'};

	answer[0] = '\0';
	if (word[0] == '+') {
		queue_add(q, word[1] < 'a', lower, at);
	} else if (word[0] == '-') {
		queue_remove(q, word[1] < 'a', lower);
	} else if (word[0] == '<') {
		int r = queue_take(q, &class, &key, (uint64_t)(word[1] - '0'));

		(void)snprintf(answer, sizeof(answer), "%s", r ? key : "none");
		if (r && class == 1)
			answer[0] &= (char)~0x20;
	} else if (word[0] == '?') {
		uint64_t next = queue_next_ms(q);

		(void)snprintf(answer, sizeof(answer), "%llu", (unsigned long long)next);
		if (next == UINT64_MAX)
			return "never";
	} else {
		(void)snprintf(answer, sizeof(answer), "%zu", queue_length(q));
	}
	free(key);
	return answer;
}

Test(queue, programs)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(queue_freep) struct queue *q = queue_new();
		autofree char *program = mem_strdup(cases[i].program);
		autostrbuf got = STRBUF_INIT;
		char *save = NULL;

		for (char *w = strtok_r(program, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			const char *answer = run_word(q, w);

			if (*answer)
				strbuf_addf(&got, "%s%s", got.len ? " " : "", answer);
		}
		cr_expect(str_eq(strbuf_str(&got), cases[i].answers), "%s (%s)\n got %s\nwant %s",
			  cases[i].name, cases[i].program, strbuf_str(&got), cases[i].answers);
	}
}

Test(queue, a_thousand_keys_come_in_order_of_time)
{
	_cleanup_(queue_freep) struct queue *q = queue_new();
	uint64_t last = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		autofree char *key = mem_asprintf("%llu", (unsigned long long)(i * 7919 % 1009));

		queue_add(q, 0, key, i * 7919 % 1009);
	}
	for (size_t i = 0; i < 1000; i++) {
		unsigned int class;
		autofree char *key = NULL;
		uint64_t at = queue_next_ms(q);

		cr_assert(queue_take(q, &class, &key, UINT64_MAX - 1) == 1);
		cr_assert(at >= last, "%llu after %llu", (unsigned long long)at,
			  (unsigned long long)last);
		last = at;
	}
	cr_expect(queue_length(q) == 0);
}
