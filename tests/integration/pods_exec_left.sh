#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# recond-exec dies when it has stopped the processes of a command and not killed them yet: what had
# not come into the container's control group is gone when the container is.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"
grep -aq exec.stopped "$RECOND_BIN/recond-exec" || skip "a build without failpoints"

# A crun that is slow on its way into a container, in a session of its own.
cat >"$T/crun" <<-EOF
	#!/bin/sh
	case "\$1 \$*" in
	again*) read -r line <>"$T/never" ;;
	*" exec "*)
		setsid "\$0" again "\$@" &
		wait
		;;
	*) exec "$(command -v crun)" "\$@" ;;
	esac
EOF
chmod +x "$T/crun"
mkfifo "$T/never"
PODCTL_CRUN=$T/crun
export PODCTL_CRUN

stopped() {
	[ -n "$(pgrep -r T -f "again --root $RUN/crun .*exec")" ]
}

none() {
	! pgrep -f "again --root $RUN/crun .*exec" >/dev/null
}

pods_image
RECOND_FAILPOINTS='exec.stopped=1*kill'
RECOND_FAILPOINTS_DIR=$T/points
export RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
mkdir "$T/points"
pods_start
unset RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
up u1
mark
start u1 web 0 "while :; do sleep 1; done"
event 'container_started.*"name":"web"'
mark
printf '{"op":"check","id":"a","request":{"type":"exec","podUid":"u1","container":"web","attempt":0,"timeoutMs":500,"command":["true"]}}\n' >&8
event 'check_done","id":"a".*ended early.*"ok":false'
stopped || fail "nothing was left: $EVENT"
ok "a worker that is killed at that moment leaves a stopped process"

mark
down u1
none || fail "it is there without its container"
wait_until 5 nothing_left
pods_stop
ok "it goes with its container"
