/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpGet: 200 to 399 is well. Redirects are followed on the same host only; one that leads to
 * another host is well, with a warning.
 */
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/str.h"
#include "runtime/probe_priv.h"

#define REQUESTS_MAX 10 /* the first and nine redirects, as Go's client counts */
#define HEADERS_MAX 256

/* Headers that Go writes by itself, whatever a request says. */
static bool is_excluded(const char *name)
{
	static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Trailer"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

static void add_header(struct probe *p, const char *name, const char *value)
{
	bool omitted = strcasecmp(name, "Accept") == 0 || strcasecmp(name, "User-Agent") == 0 ||
		       strcasecmp(name, "Host") == 0;
	autofree char *line = NULL;

	if (*value)
		line = mem_asprintf("%s: %s", name, value);
	else
		line = mem_asprintf(omitted ? "%s:" : "%s;", name); /* libcurl's way: none, empty */
	p->headers = curl_slist_append(p->headers, line);
}

/* The headers of the request; the Host of the manifest is left out WITHOUT_HOST. */
static int make_headers(struct probe *p, bool without_host)
{
	const json_t *pair;
	bool agent = false, accept = false;
	size_t i;

	curl_slist_free_all(p->headers);
	p->headers = NULL;
	json_array_foreach(json_object_get(p->request, "headers"), i, pair) {
		const char *name = json_path_str(pair, "[0]", "");
		const char *value = json_path_str(pair, "[1]", "");

		if (i >= HEADERS_MAX || !probe_header_valid(name, value)) {
			strbuf_addf(&p->message, "Get \"%s\": net/http: invalid header \"%s\"",
				    p->url, name);
			return -EINVAL;
		}
		agent |= strcasecmp(name, "User-Agent") == 0;
		accept |= strcasecmp(name, "Accept") == 0;
		if (is_excluded(name) || (without_host && strcasecmp(name, "Host") == 0))
			continue;
		add_header(p, name, value);
	}
	if (!agent)
		add_header(p, "User-Agent",
			   json_path_str(p->request, "userAgent", "kube-probe/recond"));
	if (!accept)
		add_header(p, "Accept", "*/*");
	add_header(p, "Connection", "close");
	(void)curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
	return 0;
}

/* The URL of the first request, its path as written in the manifest. */
static char *first_url(const struct probe *p)
{
	const char *path = json_path_str(p->request, "path", "/");
	bool https = strcasecmp(json_path_str(p->request, "scheme", "HTTP"), "HTTPS") == 0;
	autostrbuf url = STRBUF_INIT;

	strbuf_addf(&url, "http%s://%s%s", https ? "s" : "", p->address, *path == '/' ? "" : "/");
	for (; *path && *path != '#'; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= 0x20 || c >= 0x7f || c == '"')
			strbuf_addf(&url, "%%%02X", c);
		else
			strbuf_addc(&url, (char)c);
	}
	return strbuf_take(&url);
}

static int set_url(struct probe *p, char *url, bool without_host)
{
	free(p->url);
	p->url = url;
	p->requests++;
	p->location_absolute = false;
	(void)curl_easy_setopt(p->easy, CURLOPT_URL, p->url);
	return make_headers(p, without_host);
}

static int prepare(struct probe *p, const json_t *request)
{
	p->request = json_deep_copy(request);
	(void)curl_easy_setopt(p->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return set_url(p, first_url(p), false);
}

static void header(struct probe *p, const char *line, size_t n)
{
	static const char name[] = "location:";
	size_t at = sizeof(name) - 1;

	if (n < at || strncasecmp(line, name, at) != 0)
		return;
	while (at < n && (line[at] == ' ' || line[at] == '\t'))
		at++;
	/* "//host/" and "scheme:"; a relative one keeps the Host that the manifest set. */
	p->location_absolute = n - at >= 2 && line[at] == '/' && line[at + 1] == '/';
	while (at < n && !strchr("/?#:", line[at]))
		at++;
	p->location_absolute |= at < n && line[at] == ':';
}

/* The host of URL in lower case, owned by the caller; NULL when there is none. */
static char *host_of(const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *copy = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		copy = mem_strdup(host);
	for (char *c = copy; c && *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	curl_free(host);
	curl_url_cleanup(u);
	return copy;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void warn_of_redirect(struct probe *p)
{
	strbuf_adds(&p->message, "Probe terminated redirects, Response body: ");
	strbuf_add(&p->message, strbuf_str(&p->body), p->body.len);
}

/* Status 300 to 399: 2 when it leads on, else 0 or 1. */
static int redirect(struct probe *p, long status)
{
	autofree char *first = first_url(p), *from = host_of(first), *to = NULL;
	char *target = NULL;

	(void)curl_easy_getinfo(p->easy, CURLINFO_REDIRECT_URL, &target);
	to = target ? host_of(target) : NULL;
	if (!is_redirect(status) || !target || !to || !str_eq(from, to)) {
		warn_of_redirect(p);
		return 1;
	}
	if (p->requests >= REQUESTS_MAX) {
		strbuf_addf(&p->message, "Get \"%s\": stopped after %d redirects", target,
			    REQUESTS_MAX);
		return 0;
	}
	return set_url(p, mem_strdup(target), p->location_absolute) < 0 ? 0 : 2;
}

static int judge(struct probe *p, CURLcode code)
{
	long status = 0;

	(void)curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OPERATION_TIMEDOUT) {
		strbuf_addf(&p->message,
			    "Get \"%s\": context deadline exceeded (Client.Timeout %s)", p->url,
			    status ? "or context cancellation while reading body"
				   : "exceeded while awaiting headers");
		return 0;
	}
	if (code != CURLE_OK) {
		strbuf_addf(&p->message, "Get \"%s\": ", p->url);
		probe_add_failure(p, &p->message, code);
		return 0;
	}
	if (status >= 300 && status < 400)
		return redirect(p, status);
	if ((status >= 200 && status < 300) || json_path_bool(p->request, "anyStatus", false))
		return 1;
	strbuf_addf(&p->message, "HTTP probe failed with statuscode: %ld", status);
	return 0;
}

const struct probe_kind probe_http = {
	.name = "httpGet",
	.prepare = prepare,
	.header = header,
	.judge = judge,
};
