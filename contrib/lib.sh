# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of contrib/ share: messages, packages by apt, and the one repair a host with mixed
# cgroup versions needs. Sourced by POSIX sh with SOURCE_DIR set; runs nothing by itself.

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# The packages of the lists NAME... (files of contrib/packages), one per line. A name that begins
# with "?" is taken where the distribution has it and left out elsewhere.
packages_of() {
	for list in "$@"; do
		grep -v '^#' "$SOURCE_DIR/contrib/packages/$list"
	done | sort -u
}

package_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Install what is missing of the lists NAME..., without questions. Asks the mirror for nothing when
# nothing is missing.
packages_install() {
	missing=
	optional=
	for package in $(packages_of "$@"); do
		name=${package#\?}
		if package_installed "$name"; then
			continue
		elif [ "$name" = "$package" ]; then
			missing="$missing $name"
		else
			optional="$optional $name"
		fi
	done
	[ -n "$missing$optional" ] || return 0
	command -v apt-get >/dev/null || die "no apt-get here; install by hand:$missing"
	[ "$(id -u)" = 0 ] || die "must be root to install packages (missing:$missing$optional)"

	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || die "apt-get update failed"
	for name in $optional; do
		if apt-cache show "$name" >/dev/null 2>&1; then
			missing="$missing $name"
		else
			say "this distribution has no $name; what needs it is skipped"
		fi
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	# shellcheck disable=SC2086 # a list of names
	apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/dev/null ||
		die "apt-get install failed"
}

# With cgroup v1 controllers mounted one by one and cgroup2 beside them, crun 1.8 refuses to work
# while the v2 side still owns a controller it wants. Mounting hugetlb on the v1 side takes it away
# there. Once per boot; nothing to do on a host with cgroup v2 alone, or under systemd.
cgroups_prepare() {
	unified=/sys/fs/cgroup/unified
	[ -e "$unified/cgroup.controllers" ] || return 0
	[ ! -d /run/systemd/system ] || return 0
	grep -qw hugetlb "$unified/cgroup.controllers" || return 0
	mountpoint -q /sys/fs/cgroup/hugetlb && return 0
	[ "$(id -u)" = 0 ] || return 0
	say "mounting the hugetlb cgroup controller on the v1 side, for crun"
	mkdir -p /sys/fs/cgroup/hugetlb
	mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb
}
