#!/bin/bash
# build_previous.sh: builds the programs of the release before (the commit in deploy/dev/previous_release) that a rolling upgrade meets, and
# prints their folder. A second run builds nothing; files that are the same in this release come from the compiler cache.
# Ends with 3 when the history at hand does not hold that commit.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$REPO"

commit=$(<deploy/dev/previous_release)
[[ $commit =~ ^[0-9a-f]{40}$ ]] || die "deploy/dev/previous_release does not hold the full name of a commit"
git cat-file -e "$commit^{commit}" 2>/dev/null || { echo "no history of $commit at hand: fetch it to try upgrades from it" >&2; exit 3; }

place=$REPO/build/previous
if [[ $(cat "$place/commit" 2>/dev/null) != "$commit" ]]; then
  rm -rf "$place"
  mkdir -p "$place/source"
  git archive "$commit" | tar -x -C "$place/source"
  echo "$commit" >"$place/commit"
fi
cd "$place/source"
{
  cmake --preset dev -DGODWIT_TESTS=OFF
  ninja -C build/dev godwit godwit-migrate godwit-registry godwit-replication godwit-replication-worker godwit-conversion godwit-jobs godwit-gateway
} >&2
echo "$place/source/build/dev/bin"
