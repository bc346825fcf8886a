/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink requests of a few attributes each. Every request asks for an acknowledgement and is
 * answered before the next one goes out, so an error belongs to the request that caused it.
 */
#include "runtime/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"

#define REQUEST_SIZE 1024
#define BRIDGE_ALIAS "recond"

static void socket_closep(struct mnl_socket **s)
{
	if (*s)
		(void)mnl_socket_close(*s);
}

/* One request: BUF is the message under construction. */
struct request {
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *head;
};

static void *request_init(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
	memset(q->buf, 0, sizeof(q->buf));
	q->head = mnl_nlmsg_put_header(q->buf);
	q->head->nlmsg_type = type;
	q->head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	q->head->nlmsg_seq = 1;
	return mnl_nlmsg_put_extra_header(q->head, body);
}

/* Send and wait for the acknowledgement. 0 or a negative errno. */
static int request_do(struct request *q, struct mnl_socket *nl)
{
	char answer[4096];
	ssize_t n;
	int r;

	if (mnl_socket_sendto(nl, q->head, q->head->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL);
	} while (r > 0);
	return r < 0 ? -errno : 0;
}

static int socket_open(struct mnl_socket **ret, struct err *err)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!nl)
		return err_errno(err, errno, "open a netlink socket");
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = errno;

		(void)mnl_socket_close(nl);
		return err_errno(err, code, "bind a netlink socket");
	}
	*ret = nl;
	return 0;
}

bool net_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n < IFNAMSIZ && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int link_up(struct mnl_socket *nl, unsigned int index)
{
	struct request q;
	struct ifinfomsg *info = request_init(&q, RTM_NEWLINK, 0, sizeof(*info));

	info->ifi_index = (int)index;
	info->ifi_change = IFF_UP;
	info->ifi_flags = IFF_UP;
	return request_do(&q, nl);
}

static int address_add(struct mnl_socket *nl, unsigned int index, uint32_t address,
		       unsigned int prefix)
{
	struct request q;
	struct ifaddrmsg *a =
		request_init(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*a));

	a->ifa_family = AF_INET;
	a->ifa_prefixlen = (uint8_t)prefix;
	a->ifa_index = index;
	mnl_attr_put_u32(q.head, IFA_LOCAL, htonl(address));
	mnl_attr_put_u32(q.head, IFA_ADDRESS, htonl(address));
	return request_do(&q, nl);
}

static int route_add(struct mnl_socket *nl, unsigned int index, uint32_t to, unsigned int prefix,
		     uint32_t gateway)
{
	struct request q;
	struct rtmsg *m = request_init(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m));

	m->rtm_family = AF_INET;
	m->rtm_dst_len = (uint8_t)prefix;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	if (prefix)
		mnl_attr_put_u32(q.head, RTA_DST, htonl(to));
	if (gateway)
		mnl_attr_put_u32(q.head, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(q.head, RTA_OIF, index);
	return request_do(&q, nl);
}

static int bridge_create(struct mnl_socket *nl, const char *name)
{
	struct request q;
	struct nlattr *linkinfo;

	(void)request_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(q.head, IFLA_IFNAME, name);
	linkinfo = mnl_attr_nest_start(q.head, IFLA_LINKINFO);
	mnl_attr_put_strz(q.head, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(q.head, linkinfo);
	return request_do(&q, nl);
}

static int sysctl_write(const char *path, const char *value, struct err *err)
{
	autoclose int fd = fs_open(path, O_WRONLY, 0);
	int r = fd < 0 ? fd : fs_write_all(fd, value, strlen(value));

	return r < 0 ? err_errno(err, r, "write '%s' to %s", value, path) : 0;
}

static int bridge_sysctls(const char *name, struct err *err)
{
	autofree char *redirects = mem_asprintf("/proc/sys/net/ipv4/conf/%s/send_redirects", name);
	int r = sysctl_write("/proc/sys/net/ipv4/ip_forward", "1", err);

	/* Pods talk to each other through the gateway on purpose: nothing to redirect. */
	return r < 0 ? r : sysctl_write(redirects, "0", err);
}

/* What says that a bridge is recond's to remove: an administrator's has no such alias. */
static int mark_as_ours(struct mnl_socket *nl, unsigned int index)
{
	struct request q;
	struct ifinfomsg *info = request_init(&q, RTM_SETLINK, 0, sizeof(*info));

	info->ifi_index = (int)index;
	mnl_attr_put(q.head, IFLA_IFALIAS, strlen(BRIDGE_ALIAS), BRIDGE_ALIAS);
	return request_do(&q, nl);
}

static bool is_ours(const char *name)
{
	autofree char *path = mem_asprintf("/sys/class/net/%s/ifalias", name), *text = NULL;
	size_t n;

	return fs_read_at(&text, &n, AT_FDCWD, path, 256) == 0 && str_eq(text, BRIDGE_ALIAS "\n");
}

int net_bridge_up(const struct net_bridge *b, struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	autofree char *sys = mem_asprintf("/sys/class/net/%s/bridge", b->name);
	unsigned int index;
	int r;

	assert(net_name_valid(b->name));
	r = socket_open(&nl, err);
	if (r < 0)
		return r;
	r = bridge_create(nl, b->name);
	if (r < 0 && r != -EEXIST)
		return err_errno(err, r, "make bridge '%s'", b->name);
	index = if_nametoindex(b->name);
	if (index == 0)
		return err_errno(err, errno, "find bridge '%s'", b->name);
	if (r == -EEXIST && access(sys, F_OK) < 0)
		return err_set(err, ERR_INVALID, EEXIST, NULL, "link '%s' is not a bridge",
			       b->name);
	if (r == 0)
		r = mark_as_ours(nl, index);
	if (r < 0 && r != -EEXIST)
		return err_errno(err, r, "mark bridge '%s'", b->name);
	r = address_add(nl, index, cidr_gateway(&b->cidr), b->cidr.prefix);
	if (r < 0)
		return err_errno(err, r, "give bridge '%s' its address", b->name);
	r = link_up(nl, index);
	if (r < 0)
		return err_errno(err, r, "bring up bridge '%s'", b->name);
	return bridge_sysctls(b->name, err);
}

static int link_delete(struct mnl_socket *nl, const char *name)
{
	struct request q;

	(void)request_init(&q, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(q.head, IFLA_IFNAME, name);
	return request_do(&q, nl);
}

int net_bridge_down(const struct net_bridge *b, struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	int r;

	assert(net_name_valid(b->name));
	r = socket_open(&nl, err);
	if (r < 0)
		return r;
	r = link_delete(nl, b->name);
	if (r < 0 && r != -ENODEV)
		return err_errno(err, r, "remove bridge '%s'", b->name);
	return 0;
}

/* A name as pod.c makes it for the outer end of a pod's pair. */
static bool is_pod_link(const char *name)
{
	const char *digits = str_skip_prefix(name, NET_POD_LINK_PREFIX);

	return digits && strlen(digits) == NET_POD_LINK_DIGITS &&
	       strspn(digits, "0123456789abcdef") == NET_POD_LINK_DIGITS;
}

/*
 * Remove the pods' links on the bridge: their namespaces are gone, and the kernel is on its way. 1
 * when there is another link, with its name in FOREIGN.
 */
static int clear_ports(struct mnl_socket *nl, const char *name, char foreign[IFNAMSIZ])
{
	autofree char *path = mem_asprintf("/sys/class/net/%s/brif", name);
	autoclose int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	if (!d)
		return 0;
	fd = -1; /* the stream owns it */
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (is_pod_link(e->d_name)) {
			(void)link_delete(nl, e->d_name);
			continue;
		}
		(void)snprintf(foreign, IFNAMSIZ, "%.15s", e->d_name);
		r = 1;
	}
	(void)closedir(d);
	return r;
}

int net_bridge_retire(const struct net_bridge *b, struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	char foreign[IFNAMSIZ];
	int r;

	assert(net_name_valid(b->name));
	if (if_nametoindex(b->name) == 0)
		return 0;
	if (!is_ours(b->name)) {
		(void)err_set(err, ERR_INVALID, EPERM, NULL,
			      "bridge '%s' stays: recond did not make it", b->name);
		return 1;
	}
	r = socket_open(&nl, err);
	if (r < 0)
		return r;
	if (clear_ports(nl, b->name, foreign) > 0) {
		(void)err_set(err, ERR_INVALID, EBUSY, NULL,
			      "bridge '%s' stays: link '%s' is on it", b->name, foreign);
		return 1;
	}
	r = link_delete(nl, b->name);
	return r < 0 && r != -ENODEV ? err_errno(err, r, "remove bridge '%s'", b->name) : 0;
}

/*
 * The pair: outer end on the bridge, inner end made inside the namespace, all in one message. The
 * inner end's hardware address follows from the pod's: the host remembers for half a minute who
 * answered at an address, and the next pod that has it must be found there at once.
 */
static int veth_create(struct mnl_socket *nl, const struct net_pod *pod, unsigned int bridge,
		       int netns_fd)
{
	/* The first two as the CNI plugins have them: locally administered, a private prefix. */
	const uint32_t a = htonl(pod->address);
	uint8_t hardware[6] = {0x0a, 0x58};
	struct request q;
	struct nlattr *linkinfo, *data, *peer;

	memcpy(hardware + 2, &a, sizeof(a));
	(void)request_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(q.head, IFLA_IFNAME, pod->host_link);
	mnl_attr_put_u32(q.head, IFLA_MASTER, bridge);
	linkinfo = mnl_attr_nest_start(q.head, IFLA_LINKINFO);
	mnl_attr_put_strz(q.head, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(q.head, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(q.head, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(q.head, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(q.head, IFLA_IFNAME, "eth0");
	mnl_attr_put(q.head, IFLA_ADDRESS, sizeof(hardware), hardware);
	mnl_attr_put_u32(q.head, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	mnl_attr_nest_end(q.head, peer);
	mnl_attr_nest_end(q.head, data);
	mnl_attr_nest_end(q.head, linkinfo);
	return request_do(&q, nl);
}

/* Hairpin: a pod must reach itself through a Service address. */
static int port_setup(struct mnl_socket *nl, unsigned int index)
{
	struct request q;
	struct ifinfomsg *info = request_init(&q, RTM_SETLINK, 0, sizeof(*info));
	struct nlattr *protinfo;
	int r;

	info->ifi_family = AF_BRIDGE;
	info->ifi_index = (int)index;
	protinfo = mnl_attr_nest_start(q.head, IFLA_PROTINFO);
	mnl_attr_put_u8(q.head, IFLA_BRPORT_MODE, 1);
	mnl_attr_nest_end(q.head, protinfo);
	r = request_do(&q, nl);
	return r < 0 ? r : link_up(nl, index);
}

int net_loopback_up(struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	int r = socket_open(&nl, err);

	if (r < 0)
		return r;
	r = link_up(nl, 1);
	return r < 0 ? err_errno(err, r, "bring up lo") : 0;
}

/* Inside the pod's namespace. */
static int inner_setup(const struct net_bridge *b, uint32_t address, struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	uint32_t gateway = cidr_gateway(&b->cidr);
	unsigned int index;
	int r = socket_open(&nl, err);

	if (r < 0)
		return r;
	r = link_up(nl, 1);
	if (r < 0)
		return err_errno(err, r, "bring up lo");
	index = if_nametoindex("eth0");
	if (index == 0)
		return err_errno(err, errno, "find eth0");
	r = address_add(nl, index, address, 32);
	if (r == 0)
		r = link_up(nl, index);
	if (r == 0)
		r = route_add(nl, index, gateway, 32, 0);
	if (r == 0)
		r = route_add(nl, index, 0, 0, gateway);
	return r < 0 ? err_errno(err, r, "set up eth0") : 0;
}

static int in_namespace(const struct net_bridge *b, uint32_t address, int netns_fd, struct err *err)
{
	autoclose int home = fs_open("/proc/self/ns/net", O_RDONLY, 0);
	int r;

	if (home < 0)
		return err_errno(err, home, "open own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return err_errno(err, errno, "enter the pod's network namespace");
	r = inner_setup(b, address, err);
	if (setns(home, CLONE_NEWNET) < 0)
		return err_errno(err, errno, "return to own network namespace");
	return r;
}

int net_pod_up(const struct net_bridge *b, const struct net_pod *pod, int netns_fd, struct err *err)
{
	_cleanup_(socket_closep) struct mnl_socket *nl = NULL;
	unsigned int bridge = if_nametoindex(b->name), index;
	int r;

	if (bridge == 0)
		return err_errno(err, errno, "find bridge '%s'", b->name);
	r = socket_open(&nl, err);
	if (r < 0)
		return r;
	r = veth_create(nl, pod, bridge, netns_fd);
	if (r == -EEXIST) {
		/* Of an attempt that was killed; its namespace is gone, the link not yet. */
		(void)link_delete(nl, pod->host_link);
		r = veth_create(nl, pod, bridge, netns_fd);
	}
	if (r == -EXFULL)
		return err_set(err, ERR_TRANSIENT, EXFULL, NULL, "bridge '%s' has no free port",
			       b->name);
	if (r < 0)
		return err_errno(err, r, "make link '%s'", pod->host_link);
	index = if_nametoindex(pod->host_link);
	if (index == 0)
		return err_errno(err, errno, "find link '%s'", pod->host_link);
	r = port_setup(nl, index);
	if (r < 0)
		return err_errno(err, r, "bring up link '%s'", pod->host_link);
	return in_namespace(b, pod->address, netns_fd, err);
}

static const char *nft_path(void)
{
	static const char *const paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Run the program on one transaction. 1 when there is no nft. */
static int nft_run(const char *rules, struct err *err)
{
	const char *nft = nft_path();
	const char *argv[] = {"nft", rules, NULL};
	struct proc_spec spec = {.path = nft, .argv = argv};
	autofree char *output = NULL;
	int r, status;

	if (!nft)
		return 1;
	r = proc_run(&status, &output, &spec, 4096, err);
	if (r < 0)
		return err_wrap(err, "run nft");
	if (status != 0)
		return err_set(err, ERR_TRANSIENT, EIO, NULL, "nft failed (%d): %s", status,
			       output);
	return 0;
}

int net_masquerade_up(const struct net_bridge *b, struct err *err)
{
	char network[CIDR_ADDRESS_SIZE];
	autofree char *rules = NULL;

	cidr_format_address(network, b->cidr.network);
	rules = mem_asprintf(
		"add table ip recond-%1$s; delete table ip recond-%1$s; add table ip recond-%1$s; "
		"add chain ip recond-%1$s pod-postrouting { type nat hook postrouting priority srcnat; }; "
		"add rule ip recond-%1$s pod-postrouting ip saddr %2$s/%3$u ip daddr != %2$s/%3$u masquerade",
		b->name, network, b->cidr.prefix);
	return nft_run(rules, err);
}

int net_masquerade_down(const struct net_bridge *b, struct err *err)
{
	autofree char *rules =
		mem_asprintf("add table ip recond-%1$s; delete table ip recond-%1$s", b->name);

	return nft_run(rules, err);
}
