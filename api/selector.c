/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors as kubectl's -l and --field-selector write them. A label selector becomes a
 * LabelSelector document, so that there is one matcher for both; a field selector is a short list
 * of comparisons.
 */
#include "api/selector_priv.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

#define SELECTOR_MAX_BYTES 4096
#define FIELDS_MAX 16

struct field_term {
	const char *path; /* from field_names */
	char *value;
	bool negate;
};

struct selector {
	json_t *labels; /* a LabelSelector, NULL when everything is selected */
	struct field_term fields[FIELDS_MAX];
	size_t n_fields;
};

/* Which fields may be selected by; KIND_N_ stands for every kind. */
static const struct {
	enum kind kind;
	const char *path;
} field_names[] = {
	/* clang-format off */
	{ KIND_N_,    "metadata.name" },
	{ KIND_N_,    "metadata.namespace" },
	{ KIND_POD,   "spec.nodeName" },
	{ KIND_POD,   "spec.restartPolicy" },
	{ KIND_POD,   "status.phase" },
	{ KIND_POD,   "status.podIP" },
	{ KIND_NAMESPACE, "status.phase" },
	{ KIND_SECRET, "type" },
	{ KIND_APP,   "status.phase" },
	{ KIND_SOURCE, "status.phase" },
	{ KIND_IMAGE, "status.phase" },
	{ KIND_EVENT, "involvedObject.kind" },
	{ KIND_EVENT, "involvedObject.namespace" },
	{ KIND_EVENT, "involvedObject.name" },
	{ KIND_EVENT, "involvedObject.uid" },
	{ KIND_EVENT, "involvedObject.apiVersion" },
	{ KIND_EVENT, "involvedObject.resourceVersion" },
	{ KIND_EVENT, "involvedObject.fieldPath" },
	{ KIND_EVENT, "reason" },
	{ KIND_EVENT, "type" },
	/* clang-format on */
};

static const char *skip_spaces(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* The characters a label key or value is made of; what else is legal where is the schema's
 * business. */
static size_t word_length(const char *p)
{
	return strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./");
}

static char *take_word(const char **p)
{
	size_t n;
	char *word;

	*p = skip_spaces(*p);
	n = word_length(*p);
	word = mem_strndup(*p, n);
	*p = skip_spaces(*p + n);
	return word;
}

static void add_term(json_t *terms, const char *key, const char *op, json_t *values)
{
	json_t *term = json_object();

	json_set(term, "key", json_text(key));
	json_set(term, "operator", json_text(op));
	if (values)
		json_set(term, "values", values);
	(void)json_array_append_new(terms, term);
}

/* "(a, b)" after in or notin. */
static int parse_set(json_t **ret, const char **p, struct err *err)
{
	autojson *values = json_array();

	if (**p != '(')
		return err_invalid(err, "'(' expected at '%s'", *p);
	do {
		autofree char *word = NULL;

		(*p)++;
		word = take_word(p);
		(void)json_array_append_new(values, json_text(word));
	} while (**p == ',');
	if (**p != ')')
		return err_invalid(err, "')' expected at '%s'", *p);
	*p = skip_spaces(*p + 1);
	*ret = TAKE_PTR(values);
	return 0;
}

static void parse_equality(json_t *terms, const char *key, const char *op, const char **p)
{
	autofree char *word = take_word(p);
	json_t *values = json_array();

	(void)json_array_append_new(values, json_text(word));
	add_term(terms, key, op, values);
}

static int parse_in(json_t *terms, const char *key, const char **p, struct err *err)
{
	autofree char *op = take_word(p);
	bool in = str_eq(op, "in");
	json_t *values;
	int r;

	if (!in && !str_eq(op, "notin"))
		return err_invalid(err, "operator expected at '%s%s'", op, *p);
	r = parse_set(&values, p, err);
	if (r < 0)
		return r;
	add_term(terms, key, in ? "In" : "NotIn", values);
	return 0;
}

static int parse_label_term(json_t *terms, const char **p, struct err *err)
{
	autofree char *key = NULL;
	bool absent;

	*p = skip_spaces(*p);
	absent = **p == '!';
	if (absent)
		(*p)++;
	key = take_word(p);
	if (!*key)
		return err_invalid(err, "label key expected at '%s'", *p);
	if (**p == '\0' || **p == ',') {
		add_term(terms, key, absent ? "DoesNotExist" : "Exists", NULL);
		return 0;
	}
	if (absent)
		return err_invalid(err, "nothing may follow '!%s', found '%s'", key, *p);
	if (strncmp(*p, "!=", 2) == 0) {
		*p += 2;
		parse_equality(terms, key, "NotIn", p);
		return 0;
	}
	if (**p == '=') {
		*p += (*p)[1] == '=' ? 2 : 1;
		parse_equality(terms, key, "In", p);
		return 0;
	}
	return parse_in(terms, key, p, err);
}

static int parse_labels(json_t **ret, const char *text, struct err *err)
{
	autojson *terms = json_array();
	const char *p = text;
	int r;

	for (;;) {
		r = parse_label_term(terms, &p, err);
		if (r < 0)
			return r;
		if (*p == '\0')
			break;
		if (*p != ',')
			return err_invalid(err, "',' expected at '%s'", p);
		p++;
	}
	*ret = json_object();
	json_set(*ret, "matchExpressions", TAKE_PTR(terms));
	return 0;
}

static const char *field_find(enum kind kind, const char *path, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(field_names); i++) {
		if (field_names[i].kind != KIND_N_ && field_names[i].kind != kind)
			continue;
		if (strlen(field_names[i].path) == n && strncmp(field_names[i].path, path, n) == 0)
			return field_names[i].path;
	}
	return NULL;
}

static int parse_field_term(struct selector *s, enum kind kind, const char *term, struct err *err)
{
	size_t n = strcspn(term, "=!");
	struct field_term f = {};

	if (term[n] == '!' && term[n + 1] == '=')
		f.negate = true;
	else if (term[n] != '=')
		return err_invalid(err, "'%s' is not of the form field=value or field!=value",
				   term);
	f.path = field_find(kind, term, n);
	if (!f.path)
		return err_invalid(err, "field label not supported: %.*s", (int)n, term);
	if (s->n_fields == FIELDS_MAX)
		return err_invalid(err, "more than %d field terms", FIELDS_MAX);
	term += n + (f.negate || term[n + 1] == '=' ? 2 : 1);
	f.value = mem_strdup(term);
	s->fields[s->n_fields++] = f;
	return 0;
}

static int parse_fields(struct selector *s, enum kind kind, const char *text, struct err *err)
{
	autostrlist terms = {};
	int r;

	strlist_split(&terms, text, ',');
	for (size_t i = 0; i < terms.n; i++) {
		r = parse_field_term(s, kind, terms.items[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int selector_parse(struct selector **ret, enum kind kind, const char *labels, const char *fields,
		   struct err *err)
{
	_cleanup_(selector_freep) struct selector *s = NEW(struct selector);
	int r;

	assert(kind <= KIND_N_);
	if ((labels && strlen(labels) > SELECTOR_MAX_BYTES) ||
	    (fields && strlen(fields) > SELECTOR_MAX_BYTES))
		return err_invalid(err, "selector is longer than %d bytes", SELECTOR_MAX_BYTES);
	if (labels && *labels) {
		r = parse_labels(&s->labels, labels, err);
		if (r < 0)
			return err_wrap(err, "unable to parse label selector '%s'", labels);
	}
	if (fields && *fields) {
		r = parse_fields(s, kind, fields, err);
		if (r < 0)
			return err_wrap(err, "unable to parse field selector '%s'", fields);
	}
	*ret = TAKE_PTR(s);
	return 0;
}

struct selector *selector_free(struct selector *s)
{
	if (!s)
		return NULL;
	json_decref(s->labels);
	for (size_t i = 0; i < s->n_fields; i++)
		free(s->fields[i].value);
	free(s);
	return NULL;
}

bool selector_matches(const struct selector *s, const json_t *object)
{
	if (s->labels && !object_selector_matches(s->labels, json_path(object, "metadata.labels")))
		return false;
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct field_term *f = &s->fields[i];

		if (str_eq(json_path_str(object, f->path, ""), f->value) == f->negate)
			return false;
	}
	return true;
}

bool selector_is_empty(const struct selector *s)
{
	return !s->labels && s->n_fields == 0;
}
