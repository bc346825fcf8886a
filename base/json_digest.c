/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of a document, apart from the rest of json.h: a worker that needs none is then not
 * linked with libcrypto, whose relocations are most of a short life.
 */
#include <string.h>

#include "base/digest.h"
#include "base/json.h"

void json_digest(char ret[80], const json_t *j)
{
	autofree char *text = json_canonical(j);

	digest_bytes(ret, text, strlen(text));
}
