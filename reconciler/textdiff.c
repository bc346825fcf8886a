/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greedy algorithm of Myers ("An O(ND) Difference Algorithm", 1986) over lines that equal
 * beginnings and ends were taken from, with the number of edits bounded.
 */
#include "reconciler/textdiff.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *items;
	size_t n;
	size_t cap;
};

/* What becomes of the lines: kept, or only in A, or only in B, in the order of the output. */
enum edit { EDIT_KEEP, EDIT_REMOVE, EDIT_ADD };

struct script {
	unsigned char *edits;
	size_t n;
	size_t cap;
};

static void split(struct lines *l, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		GROW(l->items, l->cap, l->n + 1);
		l->items[l->n++] = (struct line){text, len};
		text += len;
		text += *text == '\n';
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

static void script_add(struct script *s, enum edit edit, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		GROW(s->edits, s->cap, s->n + 1);
		s->edits[s->n++] = (unsigned char)edit;
	}
}

/* The furthest x on each diagonal, for each number of edits: row d holds 2 * d + 1 values. */
struct trace {
	int **rows;
	size_t n;
};

static int row_get(const struct trace *t, int d, int k)
{
	if (k < -d || k > d)
		return -1;
	return t->rows[d][k + d];
}

/* Where d edits begin on diagonal K: after an addition (down) or a removal (right) of d - 1 edits.
 */
static int step_begin(const struct trace *t, int d, int k, bool *ret_down)
{
	int left = row_get(t, d - 1, k - 1), above = row_get(t, d - 1, k + 1);

	*ret_down = k == -d || (k != d && left < above);
	return *ret_down ? above : left + 1;
}

/* Find the fewest edits between A and B; their number, or -1 beyond the bound. */
static int search(struct trace *t, const struct lines *a, const struct lines *b)
{
	int n = (int)a->n, m = (int)b->n;
	int max = n + m < TEXTDIFF_MAX_EDITS ? n + m : TEXTDIFF_MAX_EDITS;

	t->rows = mem_calloc((size_t)max + 1, sizeof(*t->rows));
	for (int d = 0; d <= max; d++) {
		t->rows[d] = mem_calloc(2 * (size_t)d + 1, sizeof(int));
		t->n = (size_t)d + 1;
		for (int k = -d; k <= d; k += 2) {
			bool down;
			int x = d ? step_begin(t, d, k, &down) : 0;

			while (x < n && x - k >= 0 && x - k < m &&
			       same(&a->items[x], &b->items[x - k]))
				x++;
			t->rows[d][k + d] = x;
			if (x >= n && x - k >= m)
				return d;
		}
	}
	return -1;
}

/* Write the edits down backwards, then turn them round. */
static void backtrack(struct script *s, const struct trace *t, int d, int n, int m)
{
	struct script back = {.n = 0};
	int x = n, k = n - m;

	for (; d > 0; d--) {
		bool down;
		int begin = step_begin(t, d, k, &down);

		script_add(&back, EDIT_KEEP, (size_t)(x - begin));
		script_add(&back, down ? EDIT_ADD : EDIT_REMOVE, 1);
		x = down ? begin : begin - 1;
		k += down ? 1 : -1;
	}
	script_add(&back, EDIT_KEEP, (size_t)x);
	for (size_t i = back.n; i > 0; i--)
		script_add(s, back.edits[i - 1], 1);
	free(back.edits);
}

static void compare(struct script *s, const struct lines *a, const struct lines *b)
{
	struct trace t = {.n = 0};
	int d = search(&t, a, b);

	if (d >= 0) {
		backtrack(s, &t, d, (int)a->n, (int)b->n);
	} else {
		script_add(s, EDIT_REMOVE, a->n);
		script_add(s, EDIT_ADD, b->n);
	}
	for (size_t i = 0; i < t.n; i++)
		free(t.rows[i]);
	free(t.rows);
}

/* Take equal lines off both ends first: most diffs are small in large texts. */
static void compare_trimmed(struct script *s, const struct lines *a, const struct lines *b)
{
	size_t head = 0, tail = 0;
	struct lines mid_a, mid_b;

	while (head < a->n && head < b->n && same(&a->items[head], &b->items[head]))
		head++;
	while (tail < a->n - head && tail < b->n - head &&
	       same(&a->items[a->n - 1 - tail], &b->items[b->n - 1 - tail]))
		tail++;
	mid_a = (struct lines){a->items + head, a->n - head - tail, 0};
	mid_b = (struct lines){b->items + head, b->n - head - tail, 0};
	script_add(s, EDIT_KEEP, head);
	compare(s, &mid_a, &mid_b);
	script_add(s, EDIT_KEEP, tail);
}

/* The next run of changes with its context, from edit FROM on: [*begin, *end). False: there is
 * none. */
static bool next_hunk(const struct script *s, size_t from, size_t *begin, size_t *end)
{
	size_t i = from, quiet = 0;

	while (i < s->n && s->edits[i] == EDIT_KEEP)
		i++;
	if (i == s->n)
		return false;
	*begin = i - from > TEXTDIFF_CONTEXT ? i - TEXTDIFF_CONTEXT : from;
	for (; i < s->n && quiet <= 2 * TEXTDIFF_CONTEXT; i++)
		quiet = s->edits[i] == EDIT_KEEP ? quiet + 1 : 0;
	*end = quiet > TEXTDIFF_CONTEXT ? i - (quiet - TEXTDIFF_CONTEXT) : i;
	return true;
}

static void count(const struct script *s, size_t from, size_t to, size_t *ret_a, size_t *ret_b)
{
	*ret_a = *ret_b = 0;
	for (size_t i = from; i < to; i++) {
		*ret_a += s->edits[i] != EDIT_ADD;
		*ret_b += s->edits[i] != EDIT_REMOVE;
	}
}

static void write_hunk(struct strbuf *out, const struct script *s, const struct lines *a,
		       const struct lines *b, size_t begin, size_t end)
{
	static const char signs[] = {[EDIT_KEEP] = ' ', [EDIT_REMOVE] = '-', [EDIT_ADD] = '+'};
	size_t at_a, at_b, n_a, n_b;

	count(s, 0, begin, &at_a, &at_b);
	count(s, begin, end, &n_a, &n_b);
	strbuf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", at_a + (n_a > 0), n_a, at_b + (n_b > 0), n_b);
	for (size_t i = begin; i < end; i++) {
		const struct line *l = s->edits[i] == EDIT_ADD ? &b->items[at_b] : &a->items[at_a];

		strbuf_addc(out, signs[s->edits[i]]);
		strbuf_add(out, l->text, l->len);
		strbuf_addc(out, '\n');
		at_a += s->edits[i] != EDIT_ADD;
		at_b += s->edits[i] != EDIT_REMOVE;
	}
}

bool textdiff_unified(struct strbuf *out, const char *a, const char *b)
{
	struct lines la = {.n = 0}, lb = {.n = 0};
	struct script s = {.n = 0};
	size_t begin, end = 0;
	bool differs = false;

	assert(a && b);
	split(&la, a);
	split(&lb, b);
	compare_trimmed(&s, &la, &lb);
	while (next_hunk(&s, end, &begin, &end)) {
		write_hunk(out, &s, &la, &lb, begin, end);
		differs = true;
	}
	free(la.items);
	free(lb.items);
	free(s.edits);
	return differs;
}
