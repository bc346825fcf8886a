/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-keeper: the one process of recond-pods.service that is neither a monitor nor of a
 * container. systemd forgets the control group of a service without processes, and with it the
 * pods that recond would make there later. On cgroup v2 a group that hands controllers to its
 * children has no processes itself, so the keeper goes one level down, to "keeper", says that it is
 * ready, and waits for its end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/cgroup.h"

#define TEXT_MAX (64u << 10)

static int enter(struct err *err)
{
	_cleanup_(mem_freep) struct cgroup_host *host = NEW(struct cgroup_host);
	autoclose int self = fs_open("/proc/self", O_RDONLY | O_DIRECTORY, 0);
	autofree char *text = NULL, *service = NULL, *path = NULL;
	size_t n;
	int r = self < 0 ? self : fs_read_at(&text, &n, self, "cgroup", TEXT_MAX);

	if (r < 0)
		return err_errno(err, r, "read /proc/self/cgroup");
	service = cgroup_of_service(text);
	if (str_eq(service, "/"))
		return err_set(err, ERR_FATAL, EINVAL, NULL,
			       "this process is in no service: it is for recond-pods.service");
	r = cgroup_host_read(host, err);
	if (r < 0)
		return r;
	path = mem_asprintf("%s/keeper", service);
	return cgroup_enter(host, path, err);
}

int main(int argc, char **argv UNUSED)
{
	struct err err = {0};

	if (argc != 1) {
		(void)fprintf(stderr, "usage: recond-keeper\n");
		return 2;
	}
	if (enter(&err) < 0) {
		(void)fprintf(stderr, "recond-keeper: %s\n", err.message);
		return 1;
	}
	(void)sd_notify(0, "READY=1");
	/* A signal ends it, by its default action. */
	for (;;)
		(void)pause();
}
