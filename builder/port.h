/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port words of EXPOSE: "80", "80/udp", "8000-8010/tcp", and Docker's publish forms, of which
 * only the container's port counts.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/*
 * Append "PORT/proto" for each port WORD names. 0, or -EINVAL with ERR: "invalid containerPort:
 * 99999", `invalid port: "80/foo": invalid proto: foo`.
 */
int port_expand(struct strlist *ret, const char *word, struct err *err);
