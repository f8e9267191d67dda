#!/bin/bash
# check.sh [--fast]: the gate before a change is sent: formats, checks the include rules, builds, runs unit + lint + pg + rpc
# (--fast: unit + lint). Fails when formatting changed anything, so that what was checked is what is committed.
set -euo pipefail
cd "$(dirname "$0")/../.."

before=$(git status --porcelain)
sum_before=$(git diff | sha256sum)
deploy/dev/format.sh
if [[ $(git status --porcelain) != "$before" || $(git diff | sha256sum) != "$sum_before" ]]; then
  echo "check.sh: formatting changed files: look at git diff and commit again" >&2
  exit 1
fi
deploy/dev/check_includes.py
if [[ ${1:-} == --fast ]]; then exec ./test --tier unit --tier lint; fi
exec ./test --fast
