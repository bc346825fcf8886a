/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by OpenSSL's EVP. A hash that libcrypto refuses to compute (FIPS trouble, exhaustion)
 * ends the process: nothing in recond makes sense without digests.
 */
#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define PREFIX "sha256:"
#define HEX_LEN 64

struct digest_ctx {
	EVP_MD_CTX *md;
	bool finished;
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct digest_ctx *digest_new(void)
{
	struct digest_ctx *ctx = NEW(struct digest_ctx);

	ctx->md = EVP_MD_CTX_new();
	require(ctx->md && EVP_DigestInit_ex(ctx->md, EVP_sha256(), NULL) == 1);
	return ctx;
}

struct digest_ctx *digest_free(struct digest_ctx *ctx)
{
	if (!ctx)
		return NULL;
	EVP_MD_CTX_free(ctx->md);
	free(ctx);
	return NULL;
}

void digest_update(struct digest_ctx *ctx, const void *data, size_t n)
{
	assert(!ctx->finished);
	require(EVP_DigestUpdate(ctx->md, data, n) == 1);
}

void digest_final(struct digest_ctx *ctx, char ret[DIGEST_STR_SIZE])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	assert(!ctx->finished);
	require(EVP_DigestFinal_ex(ctx->md, raw, &n) == 1 && n * 2 == HEX_LEN);
	ctx->finished = true;
	memcpy(ret, PREFIX, strlen(PREFIX));
	str_hex(ret + strlen(PREFIX), raw, n);
}

void digest_bytes(char ret[DIGEST_STR_SIZE], const void *data, size_t n)
{
	_cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();

	digest_update(ctx, data, n);
	digest_final(ctx, ret);
}

int digest_fd(char ret[DIGEST_STR_SIZE], size_t *ret_size, int fd, struct err *err)
{
	_cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
	autofree char *buf = mem_alloc(64 << 10);
	size_t size = 0;

	for (;;) {
		ssize_t n = read(fd, buf, 64 << 10);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read");
		if (n == 0)
			break;
		digest_update(ctx, buf, (size_t)n);
		size += (size_t)n;
	}
	digest_final(ctx, ret);
	if (ret_size)
		*ret_size = size;
	return 0;
}

bool digest_valid(const char *s)
{
	const char *hex = s ? str_skip_prefix(s, PREFIX) : NULL;

	return hex && strlen(hex) == HEX_LEN && strspn(hex, "0123456789abcdef") == HEX_LEN;
}

const char *digest_hex(const char *s)
{
	assert(digest_valid(s));
	return s + strlen(PREFIX);
}
