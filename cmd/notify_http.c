/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One POST of an event. The key is read before root is given up, what the server sends after.
 */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cmd/notify_priv.h"
#include "cmd/trusted.h"

#define INPUT_MAX_BYTES (1u << 20)

struct post {
	json_t *input;
	const char *body;
	struct curl_slist *headers;
};

static void add_header(struct post *p, const char *name, const char *value)
{
	autofree char *line = mem_asprintf("%s: %s", name, value);
	struct curl_slist *more = curl_slist_append(p->headers, line);

	if (!more)
		abort();
	p->headers = more;
}

/* X-Recond-Signature-256: sha256=<hex>, as others do it. */
static int sign(struct post *p, const char *file, struct err *err)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	autofree char *key = NULL, *value = NULL;
	unsigned int n = 0;
	size_t key_n;
	int r = trusted_read(&key, &key_n, file, 077, NOTIFY_KEY_BYTES, err);

	if (r < 0)
		return r;
	while (key_n > 0 && key[key_n - 1] == '\n')
		key_n--;
	if (!HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)p->body, strlen(p->body),
		  mac, &n))
		return err_set(err, ERR_FATAL, EIO, NULL, "sign the event");
	explicit_bzero(key, key_n);
	str_hex(hex, mac, n);
	value = mem_asprintf("sha256=%s", hex);
	add_header(p, "X-Recond-Signature-256", value);
	return 0;
}

static int prepare(struct post *p, struct err *err)
{
	const json_t *hook = json_object_get(p->input, "webhook"), *value;
	const char *key_file = json_path_str(hook, "secretFile", NULL), *name;
	int r = 0;

	add_header(p, "Content-Type", "application/json");
	add_header(p, "X-Recond-Event", json_path_str(p->input, "type", ""));
	json_object_foreach(json_object_get(hook, "headers"), name, value) {
		add_header(p, name, json_string_value(value));
	}
	if (key_file)
		r = sign(p, key_file, err);
	return r < 0 ? r : notify_drop(NOTIFY_USER, err);
}

static size_t ignore(char *data UNUSED, size_t size, size_t n, void *user UNUSED)
{
	return size * n;
}

/* An answer that is none: may the next try go better? */
static bool may_pass(CURLcode code)
{
	static const CURLcode never[] = {CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT,
					 CURLE_PEER_FAILED_VERIFICATION, CURLE_TOO_MANY_REDIRECTS,
					 CURLE_SSL_CACERT_BADFILE};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (never[i] == code)
			return false;
	return true;
}

static int judge(CURL *c, CURLcode code, const char *why)
{
	long status = 0;

	if (code != CURLE_OK) {
		(void)fprintf(stderr, "%s\n", *why ? why : curl_easy_strerror(code));
		return may_pass(code) ? NOTIFY_EXIT_TRANSIENT : NOTIFY_EXIT_REFUSED;
	}
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return NOTIFY_EXIT_OK;
	(void)fprintf(stderr, "the server answers with status %ld\n", status);
	return status >= 500 || status == 408 || status == 429 ? NOTIFY_EXIT_TRANSIENT
							       : NOTIFY_EXIT_REFUSED;
}

/* No redirects: the address is the operator's, and a server that moved is for them to know. */
static int transfer(const struct post *p)
{
	CURL *c = curl_easy_init();
	char why[CURL_ERROR_SIZE] = "";
	int status;

	if (!c)
		abort();
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_URL, json_path_str(p->input, "webhook.url", ""));
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, "recond/" RECOND_VERSION);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(p->body));
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			       (long)json_path_int(p->input, "timeoutMs", 0));
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	status = judge(c, curl_easy_perform(c), why);
	curl_easy_cleanup(c);
	return status;
}

int notify_post(void)
{
	struct post p = {};
	autofree char *text = NULL;
	struct err err = {};
	int status = NOTIFY_EXIT_REFUSED;
	size_t n;

	if (fs_read_fd(&text, &n, STDIN_FILENO, INPUT_MAX_BYTES) == 0)
		p.input = json_loadb(text, n, 0, NULL);
	p.body = json_path_str(p.input, "event", NULL);
	if (!p.body)
		(void)fputs("no event\n", stderr);
	else if (prepare(&p, &err) < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	else
		status = transfer(&p);
	curl_slist_free_all(p.headers);
	json_decref(p.input);
	return status;
}
