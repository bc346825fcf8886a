#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
#
# What cmake --install puts where: recond in bin, its workers in libexec/recond, manual pages in
# their sections, units where systemd looks, and nothing of the tests.
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_cmd cmake

mkdir "$T/root"
DESTDIR=$T/root cmake --install "$RECOND_BIN/.." --prefix /usr >"$T/install.log" 2>&1 ||
	fail "cmake --install: $(tail -n 5 "$T/install.log")"

for program in "$RECOND_BIN"/*; do
	[ -e "$program" ] || continue
	name=$(basename "$program")
	case $name in
	recond) want=$T/root/usr/bin/recond ;;
	*) want=$T/root/usr/libexec/recond/$name ;;
	esac
	[ -x "$want" ] || fail "$name is not at ${want#"$T/root"}"
done
ok "programs and workers are in their places"

for page in "$SOURCE_DIR"/docs/man/*.[1-8]; do
	[ -e "$page" ] || continue
	[ -e "$T/root/usr/share/man/man${page##*.}/$(basename "$page")" ] || fail "no manual page $page"
done
ok "manual pages are in their sections"

units=$T/root/usr/lib/systemd/system
for unit in recond.service recond-pods.service recond.socket recond.slice; do
	[ -e "$units/$unit" ] || fail "no unit $unit"
done
grep -q '^ExecStart=/.*/bin/recond ' "$units/recond.service" || fail "recond.service does not name its program"
! grep -rn '@[A-Z_]*@' "$units" || fail "a unit has a word that nobody replaced"
ok "units of systemd are in their places"

other=$(find "$T/root" -type f ! -path '*/usr/bin/recond' ! -path '*/usr/libexec/recond/recond-*' \
	! -path '*/usr/share/man/*' ! -path '*/usr/share/bash-completion/*' ! -path '*/usr/share/zsh/*' \
	! -path '*/usr/share/fish/*' ! -name recond.conf \
	! -path '*/systemd/*' ! -path '*/sysusers.d/*' ! -path '*/tmpfiles.d/*')
[ -z "$other" ] || fail "also installed: $other"
ok "nothing else is installed"
