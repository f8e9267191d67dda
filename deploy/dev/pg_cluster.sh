#!/bin/bash
# A private PostgreSQL cluster that is thrown away: for tests and the demo, never for data that matters.
#
#   pg_cluster.sh start DIR [PORT]   makes DIR/data at first use, starts, prints the libpq conninfo (also DIR/conninfo)
#   pg_cluster.sh conninfo DIR       prints it again (status 3 when it does not run)
#   pg_cluster.sh stop DIR           ends it and keeps the data
#   pg_cluster.sh destroy DIR        ends it and removes DIR
#
# It listens on 127.0.0.1:PORT (default: a free port, the same again at the next start) and on a socket in DIR/socket,
# trusts everybody who can reach those, and knows the superuser "postgres" and the database "godwit". Run by root it
# runs as user postgres. GODWIT_PG_FSYNC=on makes commits durable (default off: a power cut may lose the cluster).
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"

(($# >= 2)) || die "usage: $0 start|conninfo|stop|destroy DIR [PORT]"
action=$1 dir=$(realpath -m "$2") port=${3:-}
bin=$(pg_config --bindir 2>/dev/null || true)
[[ -x $bin/initdb ]] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[[ -x $bin/initdb ]] || die "PostgreSQL is missing: run deploy/dev/install_packages.sh"

# The server refuses to run as root.
as_owner() {
  if [[ $(id -u) -eq 0 ]]; then
    (cd / && runuser -u postgres -- env LC_ALL=C.UTF-8 "$@")
  else
    (cd / && LC_ALL=C.UTF-8 "$@")
  fi
}
running() { [[ -d $dir/data ]] && as_owner "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; }
stop() {
  ! running || as_owner "$bin/pg_ctl" -s -w -t 30 -m fast -D "$dir/data" stop ||
    as_owner "$bin/pg_ctl" -s -w -t 10 -m immediate -D "$dir/data" stop
}
check_reach() {
  as_owner test -x "$dir" && return
  die "user postgres cannot enter $dir: every folder above it must allow others to pass (chmod o+x)"
}

start() {
  mkdir -p "$dir"
  chmod 755 "$dir"
  check_reach
  local socket=$dir/socket fsync=${GODWIT_PG_FSYNC:-off}
  # The name of a Unix socket has at most 107 bytes.
  if ((${#socket} > 80)); then socket=/tmp/godwit-pg-$(sha256sum <<<"$dir" | cut -c1-12); fi
  [[ -n $port ]] || port=$(cat "$dir/port" 2>/dev/null || free_port)
  if [[ ! -s $dir/data/PG_VERSION ]]; then
    rm -rf "$dir/data"
    mkdir -p "$dir/data"
    [[ $(id -u) -ne 0 ]] || chown postgres "$dir/data"
    as_owner "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 \
      >"$dir/initdb.log" 2>&1 || { tail -n 5 "$dir/initdb.log" >&2 && die "initdb failed"; }
  fi
  mkdir -p "$socket"
  touch "$dir/postgres.log"
  [[ $(id -u) -ne 0 ]] || chown postgres "$socket" "$dir/postgres.log"
  if ! running; then
    # pg_ctl hands this to a shell: it must be one line.
    local settings="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$socket'"
    settings+=" -c fsync=$fsync -c synchronous_commit=$fsync -c max_connections=200"
    as_owner "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -l "$dir/postgres.log" -o "$settings" start 9>&- >&2 ||
      { tail -n 10 "$dir/postgres.log" >&2 && die "PostgreSQL did not start"; }
    echo "$port" >"$dir/port"
    echo "host=127.0.0.1 port=$port user=postgres dbname=godwit" >"$dir/conninfo"
  fi
  local database
  database=$(psql -XAtq -d "$(sed 's/dbname=.*/dbname=postgres/' "$dir/conninfo")" \
    -c "SELECT count(*) FROM pg_database WHERE datname = 'godwit'")
  ((database)) || psql -Xq -d "$(sed 's/dbname=.*/dbname=postgres/' "$dir/conninfo")" -c 'CREATE DATABASE godwit'
  cat "$dir/conninfo"
}

case $action in
  start) start ;;
  conninfo)
    running || exit 3
    cat "$dir/conninfo"
    ;;
  stop) stop ;;
  destroy)
    stop
    rm -rf "$dir" "/tmp/godwit-pg-$(sha256sum <<<"$dir" | cut -c1-12)"
    ;;
  *) die "unknown action $action" ;;
esac
