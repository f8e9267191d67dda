#!/bin/bash
# format.sh [--check]: formats all C++ sources in place, or (--check) says which are not formatted and ends with 1.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t files < <(git ls-files -co --exclude-standard -- '*.cc' '*.h' '*.c' | sort -u)
existing=()
for file in "${files[@]}"; do [[ ! -f $file ]] || existing+=("$file"); done
((${#existing[@]})) || { echo "format.sh: no source files found" >&2; exit 1; }

if [[ ${1:-} == --check ]]; then
  failed=0
  printf '%s\0' "${existing[@]}" | xargs -0 -n 16 -P 2 clang-format --dry-run -Werror || failed=1
  ((failed == 0)) || echo "format.sh: run deploy/dev/format.sh" >&2
  exit "$failed"
fi
printf '%s\0' "${existing[@]}" | xargs -0 -n 16 -P 2 clang-format -i
