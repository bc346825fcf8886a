/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port words.
 */
#include "builder/port.h"

#include <ctype.h>

static int parse_port(uint64_t *ret, const char *s, const char *word, struct err *err)
{
	if (str_parse_u64(ret, s, 0, 65535) < 0)
		return err_invalid(err, "invalid containerPort: %s", word);
	return 0;
}

static int check_proto(char *proto, const char *word, struct err *err)
{
	for (char *p = proto; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!str_eq(proto, "tcp") && !str_eq(proto, "udp") && !str_eq(proto, "sctp"))
		return err_invalid(err, "invalid port: \"%s\": invalid proto: %s", word, proto);
	return 0;
}

int port_expand(struct strlist *ret, const char *word, struct err *err)
{
	const char *slash = strchr(word, '/'), *colon;
	autofree char *proto = mem_strdup(slash && slash[1] ? slash + 1 : "tcp");
	autofree char *ports = mem_strndup(word, slash ? (size_t)(slash - word) : strlen(word));
	uint64_t first, last;
	char *dash;
	int r;

	/* "ip:host:container": what is published where is not the image's business. */
	colon = strrchr(ports, ':');
	if (colon)
		memmove(ports, colon + 1, strlen(colon + 1) + 1);
	r = check_proto(proto, word, err);
	if (r < 0)
		return r;
	dash = strchr(ports, '-');
	if (dash)
		*dash++ = '\0';
	r = parse_port(&first, ports, dash ? word : ports, err);
	if (r < 0)
		return r;
	last = first;
	if (dash) {
		r = parse_port(&last, dash, word, err);
		if (r < 0)
			return r;
	}
	if (last < first)
		return err_invalid(err, "invalid range specified for port: %s", word);
	for (; first <= last; first++)
		strlist_add_take(ret, mem_asprintf("%u/%s", (unsigned)first, proto));
	return 0;
}
