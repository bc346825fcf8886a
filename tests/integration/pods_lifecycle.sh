#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A pod from its sandbox to nothing: start, exit codes, output, restart of the daemon in between, a
# killed monitor, failures to start, and that nothing is left behind.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

pods_image
pods_start
up u1
[ "$(field ip)" = "${POD_CIDR%.0/24}.2" ] || fail "first address: $(field ip)"
ok "a sandbox is made and has the first free address"
ping -c1 -W2 "$(field ip)" >/dev/null 2>&1 || busybox ping -c1 -W2 "$(field ip)" >/dev/null ||
	fail "the host cannot reach the pod"
ok "the host reaches the pod"

mark
start u1 a 0 "echo out; echo err >&2; exit 3"
event 'container_exited.*"exit_code":3.*"reason":"Error"'
seen 'container_started.*"name":"a"' || fail "exited but never started"
log u1 a 0 | grep -qx out || fail "stdout is not in the log"
log u1 a 0 | grep -qx err || fail "stderr is not in the log"
ok "exit code and output are kept"

mark
start u1 a 1 "echo bye >/dev/termination-log; exit 0"
event '"attempt":1.*container_exited.*"exit_code":0.*"message":"bye.*"reason":"Completed"'
ok "the termination message is reported"

mark
start u1 f 0 "echo last words; exit 1" '"terminationMessagePolicy":"FallbackToLogsOnError"'
event 'container_exited.*"message":"last words'
ok "the log stands in for a termination message"

mark
start u1 a 1 "true"
event '"attempt":1.*container_started'
event '"attempt":1.*container_exited.*"exit_code":0.*"message":"bye'
ok "an attempt that is asked for again is reported again, not made again"

mark
start u1 twice 0 "while :; do sleep 1; done"
event 'container_started.*"name":"twice"'
start u1 twice 1 "true"
event '"event":"refused".*has not ended'
echo '{"op":"signal","uid":"u1","name":"twice","attempt":0,"signo":9}' >&8
event 'container_exited.*"exit_code":137.*"name":"twice".*"signal":9'
ok "a second attempt beside a running one is refused"

mark
start u1 k 0 "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
event 'container_started.*"name":"k"'
wait_until 5 grep -q up "$STATE/logs/default_u1_u1/k/0.log"
echo '{"op":"signal","uid":"u1","name":"k","attempt":0,"signo":15}' >&8
event 'container_exited.*"exit_code":7.*"name":"k"'
ok "a signal reaches the first process"

mark
printf '{"op":"start","request":{"podUid":"u1","namespace":"default","podName":"u1","name":"x","attempt":0,"image":"%s","command":["/no/such"]}}\n' "$IMAGE" >&8
event 'container_failed.*"name":"x".*"reason":"RunContainerError"'
wait_until 5 sh -c "! grep -q rootfs /proc/self/mountinfo || ! grep -F '$T/' /proc/self/mountinfo | grep -q rootfs"
ok "a command that is not there fails as RunContainerError and leaves no mount"
mark
printf '{"op":"start","request":{"podUid":"u1","namespace":"default","podName":"u1","name":"y","attempt":0,"image":"sha256:%064d","command":["/x"]}}\n' 0 >&8
event 'container_failed.*"name":"y".*"reason":"ErrImagePull"'
ok "an image that is not on this host fails as ErrImagePull"

# --- the daemon dies -------------------------------------------------------------------------------
mark
start u1 long 0 "i=0; while [ ! -e /tmp/stop ]; do echo line \$i; i=\$((i+1)); sleep 0.01; done; exit 9" \
	'"mounts":[]'
event 'container_started.*"name":"long"'
pid=$(field pid)
pods_kill
[ -d "/proc/$pid" ] || fail "the container died with the daemon"
mark
pods_start
event 'sandbox_ready.*"uid":"u1"'
event 'container_started.*"name":"long"'
[ "$(field pid)" = "$pid" ] || fail "taken over as pid $(field pid), not $pid"
ok "a restarted daemon takes over the running container"
pods_kill
touch "/proc/$pid/root/tmp/stop"
wait_until 5 test ! -d "/proc/$pid"
mark
pods_start
event 'container_exited.*"exit_code":9.*"name":"long"'
[ "$(log u1 long 0 | awk '{ if ($2 != n++) bad = 1 } END { print bad + 0 }')" = 0 ] ||
	fail "a line is missing in the log"
ok "an exit while no daemon lived is reported, and no line of output was lost"

# --- the monitor dies ------------------------------------------------------------------------------
mark
start u1 m 0 "while :; do sleep 1; done"
event 'container_started.*"name":"m"'
pid=$(field pid)
id=$(field id)
before=$(now_cs)
kill -KILL "$(sed -E 's/.*"pid":([0-9]+).*/\1/' "$RUN/pods/u1/c/$id/monitor")"
event 'container_exited.*"exit_code":137.*"name":"m".*ContainerStatusUnknown'
[ $(($(now_cs) - before)) -lt 500 ] || fail "a lost monitor was noticed after $(($(now_cs) - before)) cs"
[ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" || fail "the container lives on"
ok "a killed monitor is noticed at once and its container killed"

mark
start u1 n 0 "while :; do sleep 1; done"
event 'container_started.*"name":"n"'
id=$(field id)
pods_kill
kill -KILL "$(sed -E 's/.*"pid":([0-9]+).*/\1/' "$RUN/pods/u1/c/$id/monitor")"
mark
pods_start
event 'container_exited.*"exit_code":137.*"name":"n".*ContainerStatusUnknown'
ok "a monitor that died while no daemon lived is noticed at the restart"

# --- the end ---------------------------------------------------------------------------------------
mark
start u1 z 0 "trap '' TERM; while :; do sleep 1; done"
event 'container_started.*"name":"z"'
mark
down u1
wait_until 5 nothing_left
ok "nothing is left of a pod that is down, running container included"
mark
down nobody
ok "a pod nobody knows goes down too"
pods_stop
