#!/bin/sh
# ./dev test --fresh — do the two commands suffice on a freshly installed Debian 12?
#
# A minimal Debian with nothing but git is made under build/fresh (debootstrap;
# the unpacked base is kept for the next run), the last commit is cloned into a
# copy of it, and there ./dev demo must print `ready`, take one letter and stop,
# and ./dev test must pass.  All in a mount and process namespace of its own.
# The last line is the one that ./dev test printed inside.
set -eu
cd "$(dirname "$0")/.."

top=$PWD
base=$top/build/fresh/base
root=$top/build/fresh/root
mirror=${DEBIAN_MIRROR:-$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) bookworm main.*/\2/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)}
mirror=${mirror:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || {
	echo "dev: test --fresh needs root (debootstrap)" >&2
	exit 1
}

if [ ! -e "$base/.complete" ]; then
	rm -rf "$base"
	mkdir -p "$base"
	debootstrap --variant=minbase --include=git,ca-certificates bookworm "$base" "$mirror" >&2
	touch "$base/.complete"
fi
rm -rf "$root"
cp -a "$base" "$root"
# how this machine reaches its package mirror holds inside too
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp /etc/apt/apt.conf.d/*prox* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
git clone -q --no-hardlinks "$top" "$root/root/waxwing"
cp tool/fresh_inside.sh "$root/root/inside.sh"

exec unshare --mount --pid --fork --kill-child --propagation private sh -eu -c '
	# a mount point, so that tests can make mount namespaces of their own in there
	mount --bind "$1" "$1"
	mount -t proc proc "$1/proc"
	mount -t sysfs -o ro sysfs "$1/sys"
	mount --rbind /dev "$1/dev"
	mount -t tmpfs tmpfs "$1/run"
	mount -t tmpfs tmpfs "$1/tmp"
	exec chroot "$1" /usr/bin/env -i HOME=/root LANG=C.UTF-8 CI=true \
		http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /root/inside.sh
' fresh "$root"
