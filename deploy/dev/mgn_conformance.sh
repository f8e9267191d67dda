#!/bin/bash
# The gateway against the API of AWS MGN: starts an installation, calls every operation with boto3, and prints a table of
# operation x {called, validated, effect, errors}. Ends with 1 when something does not hold (docs/gateway.md).
#
#   mgn_conformance.sh [BUILD_DIR] [AREA]
#
# BUILD_DIR: default build/dev. AREA: one of tests/rpc/services/gateway/conformance/*_calls.py; or life-cycle: instead the life cycle
# in the order of published automation, by the rules of both profiles.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"

build=$(realpath "${1:-$REPO/build/dev}")
dir=$(mktemp -d "${TMPDIR:-/tmp}/godwit-test-mgn.XXXXXX")
finish() {
  local status=$?
  ((status == 0)) || tail -n 20 "$dir"/installation/log/{gateway,registry,jobs}.log >&2 || true
  "$REPO/deploy/dev/installation.sh" destroy "$dir/installation" --bin "$build/bin" >&2 || status=1
  rm -rf "$dir"
  exit "$status"
}
trap finish EXIT
options=(--gateway)
# A document that actions may name, and a folder for inventories.
mkdir "$dir/documents" "$dir/transfers"
echo true >"$dir/documents/check-web"
options+=(--with "gateway:--documents=$dir/documents" --with "registry:--transfer-dir=$dir/transfers")
# Small enough for the checks of groups to reach them.
options+=(--with registry:--quota-active-applications=30 --with registry:--quota-archived-applications=5)
options+=(--with registry:--quota-active-waves=30 --with registry:--quota-archived-waves=5)
options+=(--with registry:--quota-servers-per-application=5 --with registry:--quota-applications-per-wave=5)
"$REPO/deploy/dev/installation.sh" start "$dir/installation" --bin "$build/bin" "${options[@]}"

script=conformance.py area=${2:-}
if [[ $area == life-cycle ]]; then script=life_cycle.py area=; fi
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$REPO/tests/rpc/services/gateway/conformance/$script" "$dir/installation" "$build/bin" \
  ${area:+"$area"}
