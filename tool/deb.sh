#!/bin/sh
# ./dev deb — the Debian package of the checked-out tree, under build/deb.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n "s/^  version: '\([^']*\)'.*/\1/p" meson.build)
out=build/deb
rm -rf "$out"
mkdir -p "$out/waxwing-$version"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$out/waxwing-$version"
[ "$(dpkg-parsechangelog -l "$out/waxwing-$version/debian/changelog" -S Version)" = "$version" ] || {
	echo "dev: debian/changelog and meson.build disagree about the version" >&2
	exit 1
}
(cd "$out/waxwing-$version" && dpkg-buildpackage -b -us -uc -d >&2)
if command -v lintian >/dev/null; then
	lintian --fail-on error "$out"/*.deb
fi
ls "$out"/*.deb
