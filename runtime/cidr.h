/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 ranges and the allocation of pod addresses out of one. Pure; addresses are in host byte
 * order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define CIDR_ADDRESS_SIZE 16

struct cidr {
	uint32_t network; /* lowest address */
	unsigned int prefix;
};

/* Parse "10.88.0.0/16" (prefix 8 to 29, no host bits set). 0 and *ret, or -EINVAL with ERR. */
int cidr_parse(struct cidr *ret, const char *s, struct err *err);

/* The gateway: the first address after the network's own. */
uint32_t cidr_gateway(const struct cidr *c);

/* Dotted quad of ADDRESS into RET. */
void cidr_format_address(char ret[CIDR_ADDRESS_SIZE], uint32_t address);

/* Parse a dotted quad. 0 and *ret, or -EINVAL. */
int cidr_parse_address(uint32_t *ret, const char *s);

/* Which addresses of a range are taken. Network, gateway and broadcast address always are. */
struct cidr_pool {
	struct cidr cidr;
	uint64_t *taken; /* a bit per address, of at most the first 65,536 */
	uint32_t size;
	uint32_t next; /* where the search goes on: an address given back rests as long as it can */
};

/* All free but the three; released with cidr_pool_deinit, which is idempotent. */
void cidr_pool_init(struct cidr_pool *p, const struct cidr *c);
/* Release the map. */
void cidr_pool_deinit(struct cidr_pool *p);

/* Take a free address: 1 with *ret, 0 when there is none. */
int cidr_pool_take(struct cidr_pool *p, uint32_t *ret);

/* Mark ADDRESS as taken. False when it was, or is not of the range. */
bool cidr_pool_reserve(struct cidr_pool *p, uint32_t address);

/* Give back ADDRESS, which is taken. */
void cidr_pool_release(struct cidr_pool *p, uint32_t address);
