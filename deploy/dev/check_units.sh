#!/bin/bash
# check_units.sh: the systemd units are well-formed (systemd-analyze verify, with the programs in place) and shut in
# (systemd-analyze security: exposure of at most 2.0; exceptions are listed below, their reasons are in the units).
# Prints one line a unit.
set -euo pipefail
cd "$(dirname "$0")/../.."

most=2.0
# The agent works on whole disks, the kernel's tracing and the file systems of its machine.
declare -A exceptions=([godwit-agent.service]=9.5)

shopt -s nullglob
units=(deploy/systemd/*.service deploy/systemd/*.target)
((${#units[@]})) || { echo "no units found" >&2; exit 1; }
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing (package systemd)" >&2; exit 1; }

# The programs are not installed here: the units are checked with a command that always exists.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
for unit in "${units[@]}"; do
  sed -E 's#^(Exec[A-Za-z]+=[-+!]*)/usr/(local/)?s?bin/godwit[a-z-]*#\1/bin/true#' "$unit" >"$root/${unit##*/}"
done
failed=0
for unit in "${units[@]}"; do
  name=${unit##*/}
  said=$(SYSTEMD_UNIT_PATH="$root:" systemd-analyze verify --man=no "$root/$name" 2>&1 | grep -F "$name" || true)
  if [[ -n $said ]]; then
    printf '%s\n' "$said" >&2
    failed=1
  fi
  exposure=$(systemd-analyze security --offline=true --no-pager "$root/$name" 2>/dev/null |
    sed -nE 's/.*Overall exposure level for .*: ([0-9]+\.[0-9]+).*/\1/p')
  limit=${exceptions[$name]:-$most}
  if [[ -z $exposure ]] || awk -v e="$exposure" -v l="$limit" 'BEGIN {exit !(e > l)}'; then
    echo "$name: exposure ${exposure:-unknown}, at most $limit" >&2
    failed=1
  fi
  # A service that systemd starts must be able to say that it is up, and be found by the package's scripts.
  grep -q '^Type=\(notify\|oneshot\|exec\)$' "$unit" || { echo "$name: Type=notify is missing" >&2 && failed=1; }
  printf '%-36s exposure %s (at most %s)\n' "$name" "$exposure" "$limit"
done
echo "${#units[@]} units"
exit "$failed"
