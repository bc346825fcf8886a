/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of string forms, after apimachinery's validation and distribution/reference. Every name
 * that later becomes a path, a cgroup or a hostname passes here at decode time.
 */
#include "reconciler/format.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool lower_alnum(char c)
{
	return is_lower(c) || is_digit(c);
}

static bool dns_label_n(const char *s, size_t n)
{
	if (n == 0 || n > 63 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!lower_alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

static bool is_dns_label(const char *s)
{
	return dns_label_n(s, strlen(s));
}

/* Unlike a label, a part may be as long as the whole. */
static bool dns_subdomain_n(const char *s, size_t n)
{
	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i == n - 1 || s[i - 1] == '.' || s[i + 1] == '.';

		if (s[i] == '.' && edge)
			return false;
		if (s[i] == '-' && edge)
			return false;
		if (!lower_alnum(s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	}
	return true;
}

static bool is_dns_subdomain(const char *s)
{
	return dns_subdomain_n(s, strlen(s));
}

static bool is_label_value(const char *s)
{
	size_t n = strlen(s);

	if (n > 63)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && ((i == 0 || i == n - 1) || !strchr("-_.", s[i])))
			return false;
	return true;
}

static bool is_qualified_name(const char *s)
{
	const char *slash = strchr(s, '/');

	if (slash && !dns_subdomain_n(s, (size_t)(slash - s)))
		return false;
	s = slash ? slash + 1 : s;
	return *s && is_label_value(s);
}

static bool is_port_name(const char *s)
{
	size_t n = strlen(s);
	bool letter = false;

	if (n == 0 || n > 15 || s[0] == '-' || s[n - 1] == '-' || strstr(s, "--"))
		return false;
	for (size_t i = 0; i < n; i++) {
		letter |= is_lower(s[i]);
		if (!lower_alnum(s[i]) && s[i] != '-')
			return false;
	}
	return letter;
}

static bool is_env_name(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s < ' ' || *s > '~' || *s == '=')
			return false;
	return true;
}

static bool is_config_key(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 253 || str_eq(s, ".") || str_skip_prefix(s, ".."))
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("-._", *s))
			return false;
	return true;
}

static bool is_base64(const char *s)
{
	size_t n = 0, pad = 0;

	for (; *s; s++) {
		if (*s == '\n' || *s == '\r')
			continue;
		n++;
		if (*s == '=')
			pad++;
		else if (pad || !(is_alnum(*s) || *s == '+' || *s == '/'))
			return false;
	}
	return n % 4 == 0 && pad <= 2;
}

static bool has_dotdot(const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return true;
		s += n;
		s += *s == '/';
	}
	return false;
}

static bool is_abs_path(const char *s)
{
	return s[0] == '/' && strlen(s) < 4096 && !has_dotdot(s);
}

static bool is_rel_path(const char *s)
{
	return s[0] && s[0] != '/' && strlen(s) < 4096 && !has_dotdot(s);
}

static bool is_mount_path(const char *s)
{
	return s[0] && !strchr(s, ':') && strlen(s) < 4096 && !has_dotdot(s);
}

/* ".." is resolved against the root of the source later; here only the characters count. */
static bool is_context_path(const char *s)
{
	if (!*s || strlen(s) >= 4096 || strstr(s, "://"))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* One part of an image's name: lower-case words joined by '.', '_', '__' or dashes. */
static bool image_part(const char *s, size_t n)
{
	if (n == 0 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
		return false;
	for (size_t i = 1; i + 1 < n; i++) {
		if (lower_alnum(s[i]) || s[i] == '-')
			continue;
		if (s[i] == '_' && (lower_alnum(s[i - 1]) || s[i - 1] == '_') &&
		    (i < 2 || s[i - 2] != '_'))
			continue;
		if (s[i] == '.' && lower_alnum(s[i - 1]) && lower_alnum(s[i + 1]))
			continue;
		return false;
	}
	return true;
}

static bool image_path(const char *s, size_t n)
{
	while (n > 0) {
		const char *slash = memchr(s, '/', n);
		size_t part = slash ? (size_t)(slash - s) : n;

		if (!image_part(s, part) || part + 1 == n)
			return false;
		s += part + (slash ? 1 : 0);
		n -= part + (slash ? 1 : 0);
		if (!slash)
			return true;
	}
	return false;
}

static bool image_tag(const char *s, size_t n)
{
	if (n == 0 || n > 128 || s[0] == '.' || s[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && !strchr("-._", s[i]))
			return false;
	return true;
}

/* "host[:port]" before the first slash. */
static bool registry_valid(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t host = colon ? (size_t)(colon - s) : n;

	if (host == 0)
		return false;
	for (size_t i = 0; i < host; i++)
		if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	for (size_t i = 0; i < host; i++)
		if (s[i] == '.' &&
		    (i == 0 || i + 1 == host || !is_alnum(s[i - 1]) || !is_alnum(s[i + 1])))
			return false;
	if (!is_alnum(s[0]) || !is_alnum(s[host - 1]))
		return false;
	if (!colon)
		return true;
	for (size_t i = host + 1; i < n; i++)
		if (!is_digit(s[i]))
			return false;
	return n - host - 1 >= 1 && n - host - 1 <= 5;
}

bool format_image_has_registry(const char *ref)
{
	size_t n = strcspn(ref, "/");

	if (ref[n] != '/')
		return false;
	return memchr(ref, '.', n) || memchr(ref, ':', n) ||
	       (n == 9 && !strncmp(ref, "localhost", 9));
}

/* The tag's colon in REF (cut at its '@'), or NULL. */
static const char *tag_colon(const char *ref, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		if (ref[i - 1] == '/')
			return NULL;
		if (ref[i - 1] == ':')
			return ref + i - 1;
	}
	return NULL;
}

bool format_image_has_tag(const char *ref, bool *ret_latest)
{
	const char *at = strchr(ref, '@');
	size_t n = at ? (size_t)(at - ref) : strlen(ref);
	const char *colon = tag_colon(ref, n);

	if (ret_latest)
		*ret_latest =
			colon ? (size_t)(ref + n - colon) == 7 && !strncmp(colon, ":latest", 7)
			      : !at;
	return at || colon;
}

static bool is_image(const char *s)
{
	const char *at = strchr(s, '@');
	size_t n = at ? (size_t)(at - s) : strlen(s);
	const char *colon = tag_colon(s, n);
	size_t registry = 0;

	if (strlen(s) > 512 || (at && !digest_valid(at + 1)))
		return false;
	if (colon && !image_tag(colon + 1, (size_t)(s + n - colon - 1)))
		return false;
	n = colon ? (size_t)(colon - s) : n;
	if (format_image_has_registry(s)) {
		registry = strcspn(s, "/") + 1;
		if (!registry_valid(s, registry - 1))
			return false;
	}
	return n <= 255 && n > registry && image_path(s + registry, n - registry);
}

static bool is_image_tag(const char *s)
{
	if (str_skip_prefix(s, "localhost/"))
		s += strlen("localhost/");
	return is_image(s) && !strchr(s, '@') && !format_image_has_registry(s);
}

static bool is_platform(const char *s)
{
	size_t parts = 0;

	for (;;) {
		size_t n = strcspn(s, "/");

		if (n == 0 || n > 32)
			return false;
		for (size_t i = 0; i < n; i++)
			if (!lower_alnum(s[i]) && s[i] != '_')
				return false;
		parts++;
		if (!s[n])
			return parts == 2 || parts == 3;
		s += n + 1;
	}
}

static bool is_percent(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n >= 1 && n <= 6 && str_eq(s + n, "%");
}

static bool is_ip(const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

static bool is_sysctl(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 253 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]) || has_dotdot(s) ||
	    strstr(s, ".."))
		return false;
	for (; *s; s++)
		if (!lower_alnum(*s) && !strchr("-_./", *s))
			return false;
	return true;
}

static bool is_capability(const char *s)
{
	if (!*s || strlen(s) > 32 || str_skip_prefix(s, "CAP_"))
		return false;
	for (; *s; s++)
		if (!(*s >= 'A' && *s <= 'Z') && !is_digit(*s) && *s != '_')
			return false;
	return true;
}

static bool is_arg_name(const char *s)
{
	if (!*s || is_digit(*s))
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && *s != '_')
			return false;
	return true;
}

/* As watch/ takes them, so that a wrong one is said where it was written. */
static bool is_branch(const char *s)
{
	bool begins = true;

	if (!*s || strlen(s) > 255 || strstr(s, "..") || strstr(s, "@{") || *s == '-' ||
	    str_has_suffix(s, "/"))
		return false;
	for (; *s; s++) {
		bool ends = s[1] == '/' || s[1] == '\0';

		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("~^:?*[\\", *s))
			return false;
		if ((begins && (*s == '/' || *s == '.')) || (ends && *s == '.'))
			return false;
		if (!strncmp(s, ".lock", 5) && (s[5] == '/' || s[5] == '\0'))
			return false;
		begins = *s == '/';
	}
	return true;
}

/* No name and password before the host: what is secret goes into a header or a file. */
static bool is_http_url(const char *s)
{
	const char *host = str_skip_prefix(s, "https://");
	size_t n;

	if (!host)
		host = str_skip_prefix(s, "http://");
	if (!host || strlen(s) > 2000)
		return false;
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return false;
	n = strcspn(host, "/?#");
	return n > 0 && *host != ':' && !memchr(host, '@', n);
}

static bool is_header(const char *s)
{
	if (!*s || strlen(s) > 100)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static bool is_user(const char *s)
{
	if (!*s || *s == '-' || strlen(s) > 32)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("_-.", *s))
			return false;
	return true;
}

/* clang-format off */
static const struct {
	bool (*check)(const char *s);
	const char *wanted;
} formats[FORMAT_N_] = {
	[FORMAT_DNS_LABEL] = { is_dns_label,
		"must be a DNS label: at most 63 lower-case letters, digits and '-', a letter or digit at both ends" },
	[FORMAT_DNS_SUBDOMAIN] = { is_dns_subdomain,
		"must be a DNS name: at most 253 lower-case letters, digits, '-' and '.', a letter or digit at both ends" },
	[FORMAT_QUALIFIED_NAME] = { is_qualified_name,
		"must be [DNS name/]name, the name at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends" },
	[FORMAT_LABEL_VALUE] = { is_label_value,
		"must be empty or at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends" },
	[FORMAT_PORT_NAME] = { is_port_name,
		"must be a port name: at most 15 lower-case letters, digits and '-', at least one letter, no '-' at the ends or doubled" },
	[FORMAT_ENV_NAME] = { is_env_name, "must be printable ASCII without '='" },
	[FORMAT_CONFIG_KEY] = { is_config_key,
		"must be at most 253 letters, digits, '-', '_' and '.', and not begin with '..'" },
	[FORMAT_BASE64] = { is_base64, "must be base64 (plain text goes into stringData)" },
	[FORMAT_ABS_PATH] = { is_abs_path, "must be an absolute path without '..'" },
	[FORMAT_REL_PATH] = { is_rel_path, "must be a relative path without '..'" },
	[FORMAT_MOUNT_PATH] = { is_mount_path, "must be a path without ':' and '..'" },
	[FORMAT_CONTEXT_PATH] = { is_context_path,
		"must be a directory of this source (relative to the manifest, or from the source's root with a leading '/')" },
	[FORMAT_IMAGE] = { is_image, "must be an image reference: [registry/]name[:tag][@sha256:digest], lower case" },
	[FORMAT_IMAGE_TAG] = { is_image_tag,
		"must be name[:tag] without a registry: what is built here can't take the name of a remote image" },
	[FORMAT_PLATFORM] = { is_platform, "must be os/architecture, as linux/amd64" },
	[FORMAT_PERCENT] = { is_percent, "must be a number or a percentage as 25%" },
	[FORMAT_IP] = { is_ip, "must be an IP address" },
	[FORMAT_SYSCTL] = { is_sysctl, "must be the name of a sysctl" },
	[FORMAT_CAPABILITY] = { is_capability, "must be a capability without CAP_, upper case, or ALL" },
	[FORMAT_ARG_NAME] = { is_arg_name, "must be letters, digits and '_', not beginning with a digit" },
	[FORMAT_BRANCH] = { is_branch, "must be the name of a git branch" },
	[FORMAT_HTTP_URL] = { is_http_url, "must be http://HOST/... or https://HOST/..., without a password" },
	[FORMAT_HEADER] = { is_header, "must be the name of an HTTP header" },
	[FORMAT_USER] = { is_user, "must be the name of a user" },
};
/* clang-format on */

const char *format_check(enum format f, const char *s)
{
	assert(f >= 0 && f < FORMAT_N_ && s);
	if (!formats[f].check || formats[f].check(s))
		return NULL;
	return formats[f].wanted;
}
