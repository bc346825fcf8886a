#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The bridge cannot be made: the sandbox fails with the reason, and the next attempt mends it. Two
# pods reach each other; a pod in the host's network has no address of its own.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

pods_image
ip link add "$BRIDGE" type veth peer name "${BRIDGE}p"
pods_start
printf '{"op":"up","request":{"uid":"a","namespace":"default","name":"a","hostname":"a"}}\n' >&8
event 'sandbox_failed.*is not a bridge'
ip link delete "$BRIDGE"
mark
up a
ok "a sandbox fails while the bridge cannot be made, and is made when it can"

a_ip=$(field ip)
mark
start a server 0 'echo hello | nc -l -p 8080'
event 'container_started.*"name":"server"'
mark
up b
start b client 0 "for i in 1 2 3 4 5 6 7 8 9; do nc -w 2 $a_ip 8080 && exit 0; sleep 0.2; done; exit 1"
event 'container_exited.*"exit_code":0.*"name":"client"'
log b client 0 | grep -qx hello || fail "no answer from the other pod"
ok "pods reach each other"

mark
up h '"hostNetwork":true'
[ -z "$(field ip)" ] || fail "an address in the host's network: $(field ip)"
start h seen 0 "ip -o link show dev $BRIDGE >/dev/null && echo host"
event 'container_exited.*"exit_code":0.*"name":"seen"'
ok "hostNetwork is the host's"

mark
for p in a b h; do
	down "$p"
done
wait_until 5 nothing_left
pods_stop
