#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Probes and hooks of running containers: commands with the container's own user, environment and
# confinement, killed at their timeout with what they left; checks over the pod's network; workers
# that are killed.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

# How long this test's commands sleep, in seconds nobody else sleeps: they are known by it.
N=8$$

# exec_check ID CONTAINER TIMEOUT-MS SHELL-CODE
exec_check() {
	printf '{"op":"check","id":"%s","request":{"type":"exec","podUid":"u1","container":"%s","attempt":0,"timeoutMs":%s,"command":["/bin/sh","-c","%s"]}}\n' \
		"$1" "$2" "$3" "$(json_text_ "$4")" >&8
}

# net_check ID TYPE PORT [MEMBERS]
net_check() {
	printf '{"op":"check","id":"%s","request":{"type":"%s","podUid":"u1","container":"web","attempt":0,"timeoutMs":5000,"host":"%s","port":%s%s}}\n' \
		"$1" "$2" "$IP" "$3" "${4:+,$4}" >&8
}

# done_is ID OK: wait for the answer; it is in $EVENT.
done_is() {
	event "check_done\",\"id\":\"$1\".*\"ok\":$2"
}

# event_text: dash's echo would read the escapes of JSON.
event_text() {
	printf '%s\n' "$EVENT"
}


# no_sleepers SECONDS: no "sleep SECONDS" lives on this host.
no_sleepers() {
	! pgrep -xf "sleep $1" >/dev/null
}

# crun_execs: processes of "crun exec" of this test.
no_crun_execs() {
	! pgrep -f "crun --root $RUN/crun .*exec" >/dev/null
}

SHOW='id; echo "$A $HOME"; pwd; grep -E "^(NoNewPrivs|Seccomp|Cap)" /proc/self/status; ls /proc/self/fd | wc -l'
ROOT_EXTRA='chmod 1777 tmp' pods_image
pods_start
up u1
IP=$(field ip)
start u1 web 0 "($SHOW) >/tmp/shown; cd /; echo hello >/tmp/index.html; httpd -p 8080 -h /tmp; while :; do sleep 1; done" \
	'"env":[["A","a b"]],"workingDir":"/tmp","securityContext":{"runAsUser":1000,"runAsGroup":1000}'
event 'container_started.*"name":"web"'

# --- commands --------------------------------------------------------------------------------------
mark
exec_check e1 web 5000 'echo fine; exit 0'
done_is e1 true
exec_check e2 web 5000 'echo broken; echo really >&2; exit 3'
done_is e2 false
event_text | grep -q '"message":"broken\\nreally\\n"' || fail "output: $EVENT"
ok "exit status and output of a command are what counts"

exec_check e3 web 5000 "$SHOW; exit 1"
done_is e3 false
exec_check e4 web 5000 "cat /tmp/shown; exit 1"
done_is e4 false
shown=$(tail -n +"$MARK" "$EVENTS" | sed -nE 's/.*"id":"e[34]".*"message":"([^"]*)".*/\1/p' | sort -u)
[ "$(printf '%s\n' "$shown" | wc -l)" = 1 ] || fail "a command sees other things than the container: $shown"
printf '%s\n' "$shown" | grep -q 'uid=1000' || fail "user: $shown"
printf '%s\n' "$shown" | grep -q 'Seccomp:.t2' || fail "no seccomp filter: $shown"
printf '%s\n' "$shown" | grep -q 'NoNewPrivs:.t1' || fail "no_new_privs is off: $shown"
ok "a command has the user, environment, directory, descriptors and confinement of its container"

exec_check e5 web 5000 'cmp -s /proc/self/cgroup /proc/1/cgroup'
done_is e5 true
ok "and its control groups"

exec_check e6 web 20000 'i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done; exit 1'
done_is e6 false
n=$(event_text | sed -E 's/.*"message":"([^"]*)".*/\1/; s/\\n/n/g' | tr -d '\n' | wc -c)
[ "$n" = 10240 ] || fail "$n bytes of output kept, not 10240"
ok "only the first 10 KiB of output are kept"

printf '{"op":"check","id":"e7","request":{"type":"exec","podUid":"u1","container":"web","attempt":0,"timeoutMs":5000,"command":["/no/such"]}}\n' >&8
done_is e7 false
event_text | grep -q 'no/such' || fail "message: $EVENT"
exec_check e8 nobody 5000 'true'
done_is e8 false
event_text | grep -q 'not running' || fail "message: $EVENT"
ok "what cannot be run says why"

# --- timeouts --------------------------------------------------------------------------------------
mark
exec_check t1 web 700 "sleep ${N}1 & (setsid sleep ${N}1 &) ; (sleep ${N}1; true) & sleep ${N}1"
wait_until 10 sh -c "[ \$(pgrep -xc -f 'sleep ${N}1') -ge 4 ]"
done_is t1 false
event_text | grep -q 'command timed out: .*timed out after 0.7s' || fail "message: $EVENT"
wait_until 10 sh -c "[ \$(pgrep -xc -f 'sleep ${N}1') -le 1 ]"
wait_until 10 no_crun_execs
ok "at its timeout a command dies with all it started, but for what left its parents and its session"
pkill -KILL -x -f "sleep ${N}1" || :

mark
exec_check t2 web 60000 "sleep ${N}2"
wait_until 10 sh -c "[ \$(pgrep -xc -f 'sleep ${N}2') = 1 ]"
echo '{"op":"cancel","id":"t2"}' >&8
wait_until 10 no_sleepers "${N}2"
wait_until 10 no_crun_execs
if seen '"id":"t2"'; then fail "a cancelled check was answered"; fi
ok "a check that is given up is killed and not answered"

mark
exec_check t3 web 60000 "yes | head -c 3000000; sleep ${N}3 & exit 0"
done_is t3 true
ok "what a hook left behind runs on, and holds nothing up"
pkill -KILL -x -f "sleep ${N}3" || :

# --- the network -----------------------------------------------------------------------------------
mark
wait_until 10 curl -sf "http://$IP:8080/index.html"
net_check n1 httpGet 8080 '"path":"/index.html","scheme":"HTTP"'
done_is n1 true
net_check n2 httpGet 8080 '"path":"/missing","scheme":"HTTP"'
done_is n2 false
event_text | grep -q 'HTTP probe failed with statuscode: 404' || fail "message: $EVENT"
net_check n3 tcpSocket 8080
done_is n3 true
net_check n4 tcpSocket 8081
done_is n4 false
event_text | grep -q "dial tcp $IP:8081: connect: connection refused" || fail "message: $EVENT"
net_check n5 grpc 8080 '"service":""'
done_is n5 false
ok "httpGet, tcpSocket and grpc reach the pod over its network"

# --- workers that die ------------------------------------------------------------------------------
mark
exec_check w1 web 60000 "sleep ${N}4"
wait_until 10 sh -c "[ \$(pgrep -xc -f 'sleep ${N}4') = 1 ]"
kill -KILL "$(pgrep -P "$PODS_PID" -f recond-exec)"
done_is w1 false
wait_until 10 no_crun_execs
exec_check w1 web 5000 'true'
done_is w1 true
[ "$(tail -n +"$MARK" "$EVENTS" | grep -c '"id":"w1"')" = 2 ] || fail "w1 was not answered once each time"
ok "a killed worker fails its checks once, its crun dies with it, and the next check has a new one"
pkill -KILL -x -f "sleep ${N}4" || :

workers=$(pgrep -P "$PODS_PID" -f 'recond-(exec|prober)')
[ "$(echo "$workers" | wc -l)" = 2 ] || fail "not two workers: $workers"
pods_kill
for pid in $workers; do
	wait_until 5 test ! -d "/proc/$pid"
done
ok "workers end with the daemon"

mark
pods_start
event 'container_started.*"name":"web"'
exec_check r1 web 5000 'true'
done_is r1 true
ok "and checks go on after a restart"

mark
down u1
exec_check g1 web 5000 'true'
done_is g1 false
wait_until 5 nothing_left
pods_stop
