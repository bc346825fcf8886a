/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dry_run.h"
int dry_run(const struct options *options)
{
	(void)options;
	return 2;
}
