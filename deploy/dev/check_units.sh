#!/bin/bash
# check_units.sh: the systemd units are well-formed, as `systemd-analyze verify` sees them with the programs in place.
set -euo pipefail
cd "$(dirname "$0")/../.."

shopt -s nullglob
units=(deploy/systemd/*.service deploy/systemd/*.target)
((${#units[@]})) || { echo "no units found" >&2; exit 1; }
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing (package systemd)" >&2; exit 1; }

# The programs are not installed here: the units are checked with a command that always exists.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
for unit in "${units[@]}"; do
  sed -E 's#^(Exec[A-Za-z]+=[-+!]*)/usr/(bin|sbin)/godwit[a-z-]*#\1/bin/true#' "$unit" >"$root/${unit##*/}"
done
failed=0
for unit in "$root"/*; do
  said=$(SYSTEMD_UNIT_PATH="$root:" systemd-analyze verify --man=no "$unit" 2>&1 | grep -F "$root" || true)
  if [[ -n $said ]]; then
    printf '%s\n' "$said" >&2
    failed=1
  fi
done
echo "${#units[@]} units"
exit "$failed"
