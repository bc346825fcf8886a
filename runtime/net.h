/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod network of one instance: a bridge that holds the gateway's address, and a veth pair per
 * pod whose inner end has a /32 address with everything routed through the gateway. By rtnetlink
 * (libmnl) alone. Blocking, quick; for workers.
 *
 * A pod's link is never deleted: dropping the last reference to its network namespace lets the
 * kernel take many at once (61 ms for a hundred), where RTM_DELLINK waits 31 ms for each.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/cidr.h"

struct net_bridge {
	char name[IFNAMSIZ];
	struct cidr cidr;
};

/* True for a name the kernel takes and that needs no quoting anywhere: [a-z0-9-]{1,15}. */
bool net_name_valid(const char *name);

/*
 * Make the bridge, or adopt the one that is there: address of the gateway, up, IPv4 forwarding on.
 * 0, or negative errno with ERR (a link of that name that is no bridge: -EEXIST, invalid).
 */
int net_bridge_up(const struct net_bridge *b, struct err *err);

/* Remove the bridge (not for each pod: waits for RCU). Missing is fine. */
int net_bridge_down(const struct net_bridge *b, struct err *err);

/*
 * Remove the bridge for good, if it is ours to remove: links of pods on it go too. 0 when it is
 * gone or never was; 1 when it stays, ERR saying why: it was not made by recond, or there is a link
 * on it that is no pod's; negative errno with ERR.
 */
int net_bridge_retire(const struct net_bridge *b, struct err *err);

/*
 * Let pods reach the outside: a table "recond-<bridge>" with a masquerade rule, through the program
 * `nft`. 0; 1 when there is no nft (nothing done: a notice, not an error); negative errno with ERR.
 */
int net_masquerade_up(const struct net_bridge *b, struct err *err);
int net_masquerade_down(const struct net_bridge *b, struct err *err);

/* How the host's ends of pods are called: the prefix, and so many hex digits. */
#define NET_POD_LINK_PREFIX "rp"
#define NET_POD_LINK_DIGITS 12

struct net_pod {
	char host_link[IFNAMSIZ]; /* name of the host's end of the pair */
	uint32_t address;
};

/*
 * Connect the network namespace NETNS_FD: lo up, the pair, the outer end on the bridge with
 * hairpin, the inner end "eth0" with the address and a default route by the gateway. The calling
 * process must be single-threaded: it enters the namespace for a moment. 0 or negative errno with
 * ERR. -EXFULL (transient): the bridge has no free port.
 */
int net_pod_up(const struct net_bridge *b, const struct net_pod *pod, int netns_fd,
	       struct err *err);

/* Bring up lo in the network namespace this process is in. */
int net_loopback_up(struct err *err);
