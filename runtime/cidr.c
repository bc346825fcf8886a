/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges, and a bit map with a moving finger.
 */
#include "runtime/cidr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define POOL_MAX 65536u

int cidr_parse_address(uint32_t *ret, const char *s)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return -EINVAL;
	*ret = ntohl(a.s_addr);
	return 0;
}

void cidr_format_address(char ret[CIDR_ADDRESS_SIZE], uint32_t address)
{
	(void)snprintf(ret, CIDR_ADDRESS_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		       address >> 8 & 255, address & 255);
}

int cidr_parse(struct cidr *ret, const char *s, struct err *err)
{
	const char *slash = strchr(s, '/');
	autofree char *address = mem_strndup(s, slash ? (size_t)(slash - s) : 0);
	uint32_t network;
	uint64_t prefix;

	if (!slash || cidr_parse_address(&network, address) < 0 ||
	    str_parse_u64(&prefix, slash + 1, 8, 29) < 0)
		return err_invalid(err, "'%s' is not an address range like 10.88.0.0/16", s);
	if (network & (UINT32_MAX >> prefix))
		return err_invalid(err, "'%s' has host bits set", s);
	*ret = (struct cidr){.network = network, .prefix = (unsigned int)prefix};
	return 0;
}

uint32_t cidr_gateway(const struct cidr *c)
{
	return c->network + 1;
}

static bool is_taken(const struct cidr_pool *p, uint32_t i)
{
	return p->taken[i / 64] >> (i % 64) & 1;
}

static void set_taken(struct cidr_pool *p, uint32_t i, bool taken)
{
	uint64_t bit = UINT64_C(1) << (i % 64);

	if (taken)
		p->taken[i / 64] |= bit;
	else
		p->taken[i / 64] &= ~bit;
}

void cidr_pool_init(struct cidr_pool *p, const struct cidr *c)
{
	uint64_t size = UINT64_C(1) << (32 - c->prefix);

	*p = (struct cidr_pool){.cidr = *c, .next = 2};
	p->size = size < POOL_MAX ? (uint32_t)size : POOL_MAX;
	p->taken = mem_calloc((p->size + 63) / 64, sizeof(uint64_t));
	set_taken(p, 0, true);
	set_taken(p, 1, true);
	set_taken(p, p->size - 1, true);
}

void cidr_pool_deinit(struct cidr_pool *p)
{
	free(p->taken);
	p->taken = NULL;
}

int cidr_pool_take(struct cidr_pool *p, uint32_t *ret)
{
	for (uint32_t n = 0; n < p->size; n++) {
		uint32_t i = (p->next + n) % p->size;

		if (is_taken(p, i))
			continue;
		set_taken(p, i, true);
		p->next = i + 1;
		*ret = p->cidr.network + i;
		return 1;
	}
	return 0;
}

bool cidr_pool_reserve(struct cidr_pool *p, uint32_t address)
{
	uint32_t i = address - p->cidr.network;

	if (address < p->cidr.network || i >= p->size || is_taken(p, i))
		return false;
	set_taken(p, i, true);
	return true;
}

void cidr_pool_release(struct cidr_pool *p, uint32_t address)
{
	uint32_t i = address - p->cidr.network;

	assert(i < p->size && is_taken(p, i));
	set_taken(p, i, false);
}
