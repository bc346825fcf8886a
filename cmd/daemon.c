/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the parts together, in the order that recovery needs: lock, store, policy, runtime, what
 * already runs, then the sources. There is no other way to start, and none to stop but ending.
 */
#include "cmd/daemon.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "cmd/command.h"
#include "cmd/config_report.h"
#include "cmd/host.h"
#include "cmd/port_check.h"
#include "cmd/port_notify.h"

#define LOCK_WAIT_MS 2000
#define LOCK_POLL_MS 20
#define EXIT_LOCKED 75 /* sysexits.h: EX_TEMPFAIL */

/* ---- clock ports ---- */

static uint64_t port_now_ms(void *data UNUSED)
{
	return clock_boottime_ms();
}

static int64_t port_realtime_ns(void *data UNUSED)
{
	return clock_steady_realtime_ns();
}

static void port_random(void *data UNUSED, void *buf, size_t n)
{
	clock_random(buf, n);
}

/*
 * A store that cannot be written ends the process; the next start reads what is durable.
 */
static void end_on_store(struct host *h, const struct err *err)
{
	log_error("the store failed; ending, pods go on", LOG_ERR(err));
	(void)sd_event_exit(h->loop, 1);
}

static void on_wake(void *data)
{
	struct host *h = data;
	struct err err = {0};

	if (reconciler_run(h->reconciler, &err) < 0)
		end_on_store(h, &err);
}

static void port_wake_at(void *data, uint64_t at_ms)
{
	struct host *h = data;
	uint64_t now = clock_boottime_ms();

	if (at_ms == UINT64_MAX)
		loop_timer_stop(h->wake);
	else
		(void)loop_timer(&h->wake, h->loop, at_ms > now ? at_ms - now : 0, on_wake, h);
}

static const struct ports daemon_ports = {
	.now_ms = port_now_ms,
	.realtime_ns = port_realtime_ns,
	.random = port_random,
	.wake_at = port_wake_at,
	.image_resolve = port_image_resolve,
	.image_get = port_image_get,
	.decode = port_source_decode,
	.tree_digest = port_source_tree_digest,
	.build_plan = port_build_plan,
	.build = port_build_run,
	.sandbox_up = port_pod_sandbox_up,
	.container_start = port_pod_container_start,
	.container_signal = port_pod_container_signal,
	.pod_down = port_pod_down,
	.container_lives = port_pod_container_lives,
	.check = port_check,
	.check_cancel = port_check_cancel,
	.notify = port_notify,
};

/* From the loop, not from within a callback: several answers of one turn make one pass. */
void host_run_policy(struct host *h)
{
	(void)loop_timer(&h->wake, h->loop, 0, on_wake, h);
}

/* ---- parts ---- */

static int64_t env_realtime(void *data UNUSED)
{
	return clock_steady_realtime_ns();
}

static void env_random(void *data UNUSED, void *buf, size_t n)
{
	clock_random(buf, n);
}

/* A daemon that was just killed may still be dying: its lock goes with it, so wait for that a
 * little. */
static int take_lock(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	uint64_t deadline = clock_boottime_ms() + LOCK_WAIT_MS;

	while (fcntl(fd, F_SETLK, &whole) < 0) {
		if (clock_boottime_ms() >= deadline)
			return -EBUSY;
		(void)poll(NULL, 0, LOCK_POLL_MS);
	}
	return 0;
}

/*
 * One daemon per state directory. A record lock goes with this process, however it ends; one by
 * flock(2) would live on in a child that was forked but has not reached its exec when we are
 * killed.
 */
static int lock_state(const struct options *o, int *ret_fd, struct err *err)
{
	autofree char *path = mem_asprintf("%s/lock", o->state_dir);
	autoclose int root = fs_open("/", O_PATH | O_DIRECTORY, 0);
	autoclose int fd = -1;
	int r;

	r = root < 0 ? root : fs_mkdir_p(root, o->state_dir + 1, 0700);
	if (r < 0)
		return err_errno(err, r, "state directory %s", o->state_dir);
	r = fs_mkdir_p(root, o->run_dir + 1, 0711);
	if (r < 0)
		return err_errno(err, r, "run directory %s", o->run_dir);
	fd = fs_open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return err_errno(err, fd, "%s", path);
	if (take_lock(fd) < 0)
		return err_set(
			err, ERR_FATAL, EBUSY, "Locked",
			"another recond runs on %s: stop it, or give this one its own --state-dir",
			o->state_dir);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The first address of the host that is neither loopback nor of a bridge of ours. */
static void host_address(const struct options *o, char ret[INET_ADDRSTRLEN])
{
	struct ifaddrs *list = NULL;

	(void)snprintf(ret, INET_ADDRSTRLEN, "127.0.0.1");
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK) || str_eq(i->ifa_name, o->bridge))
			continue;
		(void)inet_ntop(AF_INET,
				&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
				ret, INET_ADDRSTRLEN);
		break;
	}
	freeifaddrs(list);
}

static int start_policy(struct host *h, struct err *err)
{
	autofree char *path = mem_asprintf("%s/recond.db", h->options->state_dir);
	struct store_env env = {.realtime_ns = env_realtime, .random = env_random};
	struct ports ports = daemon_ports;
	char node[65] = "localhost", address[INET_ADDRSTRLEN];
	struct reconciler_config config = {
		.node_name = node,
		.host_ip = address,
		.confirm_prune = *h->options->confirm_prune ? h->options->confirm_prune : NULL,
		.node = {.memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE),
			 .cpus = sysconf(_SC_NPROCESSORS_ONLN)},
	};
	int r;

	(void)gethostname(node, sizeof(node) - 1);
	host_address(h->options, address);
	ports.data = h;
	r = store_open(&h->store, path, &env, err);
	if (r < 0)
		return r;
	h->reconciler = reconciler_new(h->store, &ports, &config);
	return 0;
}

static int start_runtime(struct host *h, struct err *err)
{
	int r;

	h->ready_images = json_object();
	r = image_store_open(&h->images, h->options->state_dir, err);
	if (r < 0)
		return r;
	r = layer_unpacker_new(&h->layers, h->loop, h->images, NULL, err);
	if (r < 0)
		return r;
	port_check_start(h);
	port_collect_start(h);
	return port_pod_start(h, err);
}

static bool is_ready(void *data)
{
	const struct host *h = data;

	for (size_t i = 0; i < h->n_sources; i++) {
		if (!h->sources[i]->decoded)
			return false;
	}
	return true;
}

/* What the API wrote is on disk before it says so. */
static int settle(void *data, struct err *err)
{
	struct host *h = data;
	int r = reconciler_run(h->reconciler, err);

	if (r < 0)
		end_on_store(h, err);
	return r;
}

static int start_api(struct host *h, struct err *err)
{
	const struct group *group = getgrnam(h->options->socket_group);
	struct api_config config = {
		.socket_path = h->options->socket,
		.mode = group ? 0660 : 0600,
		.group = group ? group->gr_gid : (gid_t)-1,
		.version = RECOND_VERSION,
		.policy = h->reconciler,
	};
	struct api_host ops = {
		.images = port_image_list,
		.log_path = port_pod_log_path,
		.ready = is_ready,
		.settle = settle,
		.collect = port_collect,
	};
	int r;

	r = supervise_listen_fd(&config.listen_fd, err);
	if (r < 0)
		return r;
	return api_server_new(&h->api, h->loop, &config, h->store, &ops, h, err);
}

static int start(struct host *h, struct err *err)
{
	int r;

	r = loop_new(&h->loop, err);
	if (r == 0)
		r = start_policy(h, err);
	if (r == 0)
		r = start_runtime(h, err);
	if (r == 0)
		r = port_pod_recover(h, err);
	if (r == 0)
		r = start_api(h, err);
	if (r == 0)
		r = supervise_new(&h->supervise, h->loop, h->store, err);
	if (r < 0)
		return r;
	return 0;
}

static void stop(struct host *h)
{
	h->supervise = supervise_free(h->supervise);
	h->api = api_server_free(h->api);
	h->reload = reload_free(h->reload);
	port_notify_stop(h);
	port_source_stop(h);
	port_build_stop(h);
	port_collect_stop(h);
	port_image_stop(h);
	h->reconciler = reconciler_free(h->reconciler);
	port_check_stop(h);
	h->pods = pod_runtime_free(h->pods);
	h->layers = layer_unpacker_free(h->layers);
	h->images = image_store_free(h->images);
	h->store = store_free(h->store);
	h->wake = sd_event_source_disable_unref(h->wake);
	h->loop = sd_event_unref(h->loop);
	json_decref(h->ready_images);
}

/* Everything found was reported before this runs: the runtime's reports were queued on the loop
 * first. */
static int on_recovered(sd_event_source *source UNUSED, void *data)
{
	struct host *h = data;
	struct err err = {0};

	reconciler_recovered(h->reconciler);
	port_source_apply(h, &h->config);
	config_deinit(&h->config);
	if (reload_new(&h->reload, h, &err) < 0) {
		log_error("cannot start", LOG_ERR(&err));
		return sd_event_exit(h->loop, 1);
	}
	supervise_ready(h->supervise);
	log_info("ready", LOG_KV("state", h->options->state_dir),
		 LOG_KV("socket", h->options->socket));
	return 0;
}

static int check_root(struct err *err)
{
	if (geteuid() == 0)
		return 0;
	return err_set(
		err, ERR_FATAL, EPERM, "NotRoot",
		"containers, networks and mounts need root: run it as root, or look at what it would do with "
		"'recond --dry-run'");
}

static int run(struct host *h, struct err *err)
{
	autoclose int lock = -1;
	sd_event_source *recovered = NULL;
	int r;

	r = check_root(err);
	if (r == 0)
		r = lock_state(h->options, &lock, err);
	if (r == 0)
		r = start(h, err);
	if (r < 0)
		return r;
	r = sd_event_add_defer(h->loop, &recovered, on_recovered, h);
	if (r < 0)
		return err_errno(err, r, "loop");
	(void)sd_event_source_set_priority(recovered, SD_EVENT_PRIORITY_IDLE);
	r = sd_event_loop(h->loop);
	sd_event_source_unref(recovered);
	return r < 0 ? err_errno(err, r, "loop") : r;
}

/* SIGHUP is for later, not the end: blocked, it waits until somebody reads it. */
static void block_reload(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool read_config(struct host *h)
{
	struct config_result result;
	bool good;

	config_load_now(&result, h->options);
	good = config_report(&result);
	h->config = result.config;
	result.config = (struct config){};
	config_result_deinit(&result);
	return good;
}

int daemon_run(const struct options *options, int argc, char **argv)
{
	struct host h = {.options = options, .argc = argc, .argv = argv};
	struct err err = {0};
	int r;

	log_set_level(options->log_level);
	(void)umask(0077);
	(void)signal(SIGPIPE, SIG_IGN);
	block_reload();
	if (!read_config(&h)) {
		config_deinit(&h.config);
		return COMMAND_EXIT_USAGE;
	}
	r = run(&h, &err);
	stop(&h);
	config_deinit(&h.config);
	if (r < 0) {
		(void)fprintf(stderr, "recond: %s\n", err.message);
		return str_eq(err.reason, "Locked") ? EXIT_LOCKED : 1;
	}
	return r;
}
