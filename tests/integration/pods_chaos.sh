#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The daemon is killed at random moments while pods start and end. After each restart every pod is
# asked for again, as a level-triggered policy does; at the end each container runs exactly once,
# crun's own list agrees, and after all pods went down nothing is left.
# timeout: 240
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

PODS='c0 c1 c2 c3'
ROUNDS=${ROUNDS:-12}

# ask_up UID: as up, without waiting.
ask_up() {
	printf '{"op":"up","request":{"uid":"%s","namespace":"default","name":"%s","hostname":"%s","cgroup":{"qos":"Burstable"},"volumes":[{"name":"e","emptyDir":{}}]}}\n' \
		"$1" "$1" "$1" >&8
}

# Answer failures and missing containers until each pod's container runs. ATTEMPT numbers come from
# what was reported: one more than the last that started or ended.
attempt_of() {
	sed -nE "s/^\{\"attempt\":([0-9]+).*container_(started|exited).*\"uid\":\"$1\".*/\1/p" "$EVENTS" | sort -n | tail -n 1
}

running() {
	[ -n "$(tail -n +"$MARK" "$EVENTS" | grep -E "container_(started|exited|failed).*\"uid\":\"$1\"" | tail -n 1 | grep container_started)" ]
}

# settle: drive all pods to "running", deadline 40 s.
settle() {
	settle_end_=$(($(now_cs) + 4000))
	for p in $PODS; do
		ask_up "$p"
	done
	while :; do
		settle_missing_=
		for p in $PODS; do
			running "$p" && continue
			settle_missing_="$settle_missing_ $p"
			if seen "sandbox_failed.*\"uid\":\"$p\"" && ! seen "sandbox_ready.*\"uid\":\"$p\""; then
				ask_up "$p"
			elif seen "sandbox_ready.*\"uid\":\"$p\""; then
				start "$p" main $(($(attempt_of "$p" | grep . || echo -1) + 1)) 'exec sleep 1000' \
					'"mounts":[{"volume":"e","mountPath":"/e"}]'
			fi
		done
		[ -n "$settle_missing_" ] || return 0
		[ "$(now_cs)" -lt "$settle_end_" ] || fail "not running:$settle_missing_: $(tail -n +"$MARK" "$EVENTS"; cat "$T/podctl.log")"
		sleep 0.3
	done
}

random_pause() {
	sleep "0.$(od -An -N2 -tu2 /dev/urandom | awk '{ printf "%03d", $1 % 400 }')"
}

pods_image
pods_start
round=0
while [ "$round" -lt "$ROUNDS" ]; do
	mark
	for p in $PODS; do
		ask_up "$p"
	done
	random_pause
	for p in $PODS; do
		# A policy that asks too often is refused, not obeyed twice.
		if seen "sandbox_ready.*\"uid\":\"$p\""; then
			start "$p" main $(($(attempt_of "$p" | grep . || echo -1) + 1)) 'exec sleep 1000'
		fi
	done
	random_pause
	# One goes down in the middle, so that a teardown is interrupted too.
	echo '{"op":"down","uid":"c3"}' >&8
	random_pause
	pods_kill
	mark
	pods_start
	round=$((round + 1))
done
settle
ok "after $ROUNDS kills every pod runs"

live=$(crun --root "$RUN/crun" list -q | wc -l)
[ "$live" = 4 ] || {
	crun --root "$RUN/crun" list
	fail "crun knows $live containers, not 4"
}
sleepers=$(for d in /proc/[0-9]*; do
	if grep -qF "$PODCTL_CGROUP_PARENT/" "$d/cgroup" 2>/dev/null && ! grep -q '^State:.Z' "$d/status" 2>/dev/null; then
		echo "$d"
	fi
done | wc -l)
[ "$sleepers" = 4 ] || fail "$sleepers processes in the pods' cgroups, not 4"
monitors=$(pgrep -fc "recond-monitor.*$T/" || :)
[ "$monitors" = 4 ] || fail "$monitors monitors, not 4"
addresses=$(tail -n +"$MARK" "$EVENTS" | sed -nE 's/.*sandbox_ready","ip":"([^"]*).*"uid":"([^"]*)".*/\2 \1/p' | sort -u | awk '{ print $2 }' | sort | uniq -d)
[ -z "$addresses" ] || fail "address given twice: $addresses"
ok "each container runs once, under one monitor, and no address is given twice"

mark
for p in $PODS; do
	down "$p"
done
wait_until 5 nothing_left
[ "$(crun --root "$RUN/crun" list -q | wc -l)" = 0 ] || fail "crun still knows containers"
ok "nothing is left"
pods_stop
