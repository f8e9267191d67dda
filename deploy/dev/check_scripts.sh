#!/bin/bash
# check_scripts.sh: every shell script of the tree parses, every Python script compiles.
set -euo pipefail
cd "$(dirname "$0")/../.."

compiles() { python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$1"; }

count=0 failed=0
while IFS= read -r file; do
  [[ -f $file ]] || continue
  case $file in
    *.py)
      compiles "$file" || failed=1
      ;;
    *)
      IFS= read -r first <"$file" || true
      case ${first:-} in
        '#!/bin/bash'* | '#!/usr/bin/env bash'*) bash -n "$file" || failed=1 ;;
        '#!/bin/sh'*) sh -n "$file" || failed=1 ;;
        '#!/usr/bin/env python3'*) compiles "$file" || failed=1 ;;
        *) [[ $file == *.sh ]] || continue && bash -n "$file" || failed=1 ;;
      esac
      ;;
  esac
  count=$((count + 1))
done < <(git ls-files -co --exclude-standard -- '*.sh' '*.py' test demo .ci/run ':(glob)deploy/**' ':(glob)bench/*' | sort -u)
echo "$count scripts"
((count > 0 && failed == 0))
