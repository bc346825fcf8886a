/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-notify: which of its processes this one is.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "cmd/notify_priv.h"

static int serve(void)
{
	struct ipc_msg m = {.type = 0};
	autojson *request = NULL, *result = NULL;
	int r = ipc_recv(WORKER_FD, &m);

	if (r == 1 && m.type == NOTIFY_MSG_REQUEST)
		request = json_loadb(m.data, m.len, 0, NULL);
	ipc_msg_deinit(&m);
	if (!request) {
		(void)fputs("recond-notify: no request\n", stderr);
		return 1;
	}
	result = notify_watch(request);
	return ipc_send_json(WORKER_FD, NOTIFY_MSG_RESULT, result) < 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && str_eq(argv[1], "command"))
		return notify_command(argv + 2);
	/* Without the end of a sanitizer, which may not look at a process that was root. */
	if (argc == 2 && str_eq(argv[1], "post"))
		_exit(notify_post());
	return serve();
}
