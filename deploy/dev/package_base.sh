#!/bin/bash
# package_base.sh PACKAGE...: prints the path of a tar of a minimal Debian 12 with these packages in it, for trying out our
# packages and containers. Made once from the machine's own package source (root), then kept in $GODWIT_CACHE/images.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
need mmdebstrap python3

(($#)) || die "usage: $0 PACKAGE..."
id=$(printf '%s\n' minbase bookworm "$@" | sort -u | cat - "$0" | sha256sum | cut -c1-16)
mkdir -p "$CACHE/images"
tar=$CACHE/images/package-base-$id.tar
exec 9>"$CACHE/images/package-base.lock"
flock 9
if [[ ! -s $tar ]]; then
  [[ $(id -u) -eq 0 ]] || die "making the base needs root; run it with sudo once"
  say "making a minimal Debian 12 for the packages (once, about a minute) ..."
  rm -f "$CACHE"/images/package-base-*.tar
  work=$(mktemp -d "$CACHE/images/base.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  python3 "$REPO/tests/support/images/source/apt_sources.py" >"$work/sources.list"
  apt-config dump --format '%f "%v";%n' Acquire::http Acquire::https >"$work/apt.conf" 2>/dev/null || true
  options=(--mode=root --variant=minbase --format=tar --quiet --include="$(IFS=,; echo "$*")" --aptopt="$work/apt.conf"
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io)
  for folder in doc man info locale lintian i18n zoneinfo bash-completion; do
    options+=("--dpkgopt=path-exclude=/usr/share/$folder/*")
  done
  # Ours bring documents along.
  options+=('--customize-hook=rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap')
  LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive mmdebstrap "${options[@]}" bookworm "$work/base.tar" "$work/sources.list" \
    >"$work/log" 2>&1 9>&- </dev/null || { tail -n 30 "$work/log" >&2 && die "mmdebstrap failed"; }
  mv "$work/base.tar" "$tar"
fi
printf '%s\n' "$tar"
