#!/bin/bash
# install_packages.sh [--check]: installs the packages of packages.txt that are not installed yet.
# --check only says what is missing (exit 1 when anything is). A second run does nothing and takes no time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

mapfile -t wanted < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/packages.txt")
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | awk '$1 == "installed" {print $2}')
missing=()
for package in "${wanted[@]}"; do
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

echo "missing packages: ${missing[*]}" >&2
[[ ${1:-} != --check ]] || exit 1
if [[ $(id -u) -ne 0 ]]; then
  echo "only root can install them; run:  sudo $here/install_packages.sh" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    return 1
  }
}
# No service may start because its package came (PostgreSQL would): the machine is a workshop, not a server.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$log" "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
# The lists may be absent (fresh container) or old (a version that the mirror has dropped).
if ! quietly "${install[@]}" --simulate; then
  quietly apt-get update -q
fi
quietly "${install[@]}" || { quietly apt-get update -q && quietly "${install[@]}"; }
echo "installed ${#missing[@]} packages" >&2
