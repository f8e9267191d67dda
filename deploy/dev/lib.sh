# Functions that the scripts of this directory share. Source it; it changes nothing by itself but $REPO and $CACHE.
# shellcheck shell=bash

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What is expensive and can always be made again: trees, disk images, the key of the source machines.
CACHE=${GODWIT_CACHE:-$REPO/.cache}

say() { printf '%s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# need COMMAND...: dies with advice when a command is not there.
need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || die "$command is missing: run deploy/dev/install_packages.sh"
  done
}

# alive PIDFILE: whether the process of the file runs (a zombie does not).
alive() {
  local pid state
  pid=$(cat "$1" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  state=$(awk '$1 == "State:" {print $2}' "/proc/$pid/status" 2>/dev/null) || return 1
  [[ -n $state && $state != Z ]]
}

# end PIDFILE [SECONDS]: asks the process to stop, kills it after the time, removes the file.
end() {
  local file=$1 left=$((${2:-20} * 10)) pid
  if alive "$file"; then
    pid=$(cat "$file")
    kill -TERM "$pid" 2>/dev/null || true
    while alive "$file" && ((left-- > 0)); do sleep 0.1; done
    if alive "$file"; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$file"
}

# free_port: a TCP port of the loopback interface that nobody uses now; not of those that the kernel gives to outgoing
# connections (one might have it before its server starts).
free_port() {
  python3 -c '
import random, socket
for port in random.sample(range(15000, 32000), 200):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            continue
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
'
}

# source_key: path of the private key that every source image accepts; made at first use.
source_key() {
  local key=$CACHE/ssh/id_ed25519
  mkdir -p "$CACHE/ssh"
  chmod 700 "$CACHE/ssh"
  (
    flock 8 # two callers make one
    [[ -s $key ]] || ssh-keygen -q -t ed25519 -N '' -C godwit-dev -f "$key" </dev/null >&2
  ) 8>"$CACHE/ssh/lock"
  printf '%s\n' "$key"
}
