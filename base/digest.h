/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 digests in the form of the OCI image specification ("descriptor.md", digests): "sha256:"
 * and 64 lower-case hex digits. Streaming, by OpenSSL's EVP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#define DIGEST_STR_SIZE 72 /* "sha256:" + 64 + NUL */

struct digest_ctx; /* opaque, one running hash */

/* A new hash over nothing yet; owned by the caller, who frees it with digest_free. */
struct digest_ctx *digest_new(void);
struct digest_ctx *digest_free(struct digest_ctx *ctx);
DEFINE_FREEP(struct digest_ctx, digest_free)

/* Feed N bytes. */
void digest_update(struct digest_ctx *ctx, const void *data, size_t n);

/* Write the digest string; CTX may only be freed afterwards. */
void digest_final(struct digest_ctx *ctx, char ret[DIGEST_STR_SIZE]);

/* One-shot digest of N bytes. */
void digest_bytes(char ret[DIGEST_STR_SIZE], const void *data, size_t n);

/*
 * Digest of what is left to read in FD; 0 or negative errno with ERR. *ret_size (may be NULL):
 * bytes read.
 */
int digest_fd(char ret[DIGEST_STR_SIZE], size_t *ret_size, int fd, struct err *err);

/*
 * True for exactly "sha256:" + 64 lower-case hex digits. Every digest from outside passes here
 * before any use.
 */
bool digest_valid(const char *s);

/* The hex part of a valid digest, borrowed. Asserts validity. */
const char *digest_hex(const char *s);
