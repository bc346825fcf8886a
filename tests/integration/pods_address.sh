#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# An address that was another pod's until now is reached at once: the host, which is on the way of
# all pods to each other, still knows what answered there.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

# serve UID TEXT: the pod answers TEXT on port 8080 for as long as it runs.
serve() {
	mark
	start "$1" server 0 "while :; do echo $2 | nc -l -p 8080; done"
	event 'container_started.*"name":"server"'
	wait_until 10 says "$2"
}

# says TEXT: that is what is heard at $ip.
says() {
	[ "$(busybox nc -w 1 "$ip" 8080 </dev/null)" = "$1" ]
}

# hardware UID: the address of the pod's link.
hardware() {
	mark
	start "$1" link 0 "cat /sys/class/net/eth0/address"
	event 'container_exited.*"exit_code":0.*"name":"link"'
	log "$1" link 0
}

pods_image
pods_start
# Without a pod the bridge has no carrier, and the host forgets what it knows.
up other
mark
up first
ip=$(field ip)
serve first one
was=$(hardware first)
ok "the host knows where $ip is"

# A daemon that starts gives out the lowest free address.
down first
pods_kill
pods_start
mark
up second
[ "$(field ip)" = "$ip" ] || fail "the second pod has $(field ip), not $ip"
is=$(hardware second)
[ "$is" = "$was" ] || fail "the host looks for $was at $ip, which is $is now"
serve second two
ok "another pod at $ip is heard at once"

mark
down second
down other
wait_until 5 nothing_left
pods_stop
