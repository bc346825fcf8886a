/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uids and name suffixes, from the randomness that the store is given.
 */
#include "reconciler/store_names.h"

#include <stdio.h>

static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789"; /* no vowels: no words */

void store_random_uid(const struct store_env *env, char ret[STORE_UID_SIZE])
{
	unsigned char b[16];

	env->random(env->data, b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, variant 10 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, STORE_UID_SIZE,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
}

void store_random_suffix(const struct store_env *env, char ret[STORE_SUFFIX_SIZE])
{
	unsigned char random[STORE_SUFFIX_SIZE - 1];

	env->random(env->data, random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		ret[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
	ret[sizeof(random)] = '\0';
}
