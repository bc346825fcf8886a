/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration came to, said on the terminal.
 */
#pragma once

#include "cmd/config.h"

/* Print errors and warnings of R on stderr, one a line. True when there is no error. */
bool config_report(const struct config_result *r);

/* recond --check-config: read what O names, print what is wrong and what would be used. Returns the
 * exit status. */
int config_report_check(const struct options *o);
