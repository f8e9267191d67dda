#!/bin/bash
# A private PostgreSQL cluster that is thrown away: for tests and the demo, never for data that matters.
#
#   pg_cluster.sh start DIR [PORT]   makes DIR/data at first use, starts, prints the libpq conninfo (also DIR/conninfo)
#   pg_cluster.sh conninfo DIR       prints it again (status 3 when it does not run)
#   pg_cluster.sh stop DIR [MODE]    ends it and keeps the data; MODE fast (default), or immediate: as a crash does
#   pg_cluster.sh destroy DIR        ends it and removes DIR
#
# It listens on 127.0.0.1:PORT (default: a free port, the same again at the next start) and on a socket in DIR/socket,
# trusts everybody who can reach those, and knows the superuser "postgres" and the database "godwit". Run by root it
# runs as user postgres. GODWIT_PG_FSYNC=on makes commits durable (default off: a power cut may lose the cluster).
# GODWIT_PG_PLACE=FOLDER, which that user may enter: the data is there instead (./test names one in memory).
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"

(($# >= 2)) || die "usage: $0 start|conninfo|stop|destroy DIR [PORT|MODE]"
action=$1 dir=$(realpath -m "$2") option=${3:-}
bin=$(pg_config --bindir 2>/dev/null || true)
[[ -x $bin/initdb ]] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[[ -x $bin/initdb ]] || die "PostgreSQL is missing: run deploy/dev/install_packages.sh"

# A folder that user postgres may enter and whose name is short (a socket's has at most 107 bytes): DIR itself, or
# else a place in /var/tmp that DIR/elsewhere names.
place() {
  if [[ -s $dir/elsewhere ]]; then
    cat "$dir/elsewhere"
  elif [[ -z ${GODWIT_PG_PLACE:-} ]] && as_owner test -x "$dir" && ((${#dir} < 80)); then
    printf '%s\n' "$dir"
  else
    printf '%s/godwit-pg-%s\n' "${GODWIT_PG_PLACE:-/var/tmp}" "$(sha256sum <<<"$dir" | cut -c1-12)" | tee "$dir/elsewhere"
  fi
}
# The server refuses to run as root.
as_owner() {
  if [[ $(id -u) -eq 0 ]]; then
    (cd / && runuser -u postgres -- env LC_ALL=C.UTF-8 "$@")
  else
    (cd / && LC_ALL=C.UTF-8 "$@")
  fi
}
running() { [[ -d $dir ]] && as_owner "$bin/pg_ctl" -D "$(place)/data" status >/dev/null 2>&1; }
stop() {
  ! running || as_owner "$bin/pg_ctl" -s -w -t 30 -m "${1:-fast}" -D "$(place)/data" stop ||
    as_owner "$bin/pg_ctl" -s -w -t 10 -m immediate -D "$(place)/data" stop
}
# fresh DATA: an empty cluster. initdb takes longer than most tests: its first result is kept in the cache, and copied.
fresh() {
  local data=$1 kept
  kept=$CACHE/pg/$(id -u)-$("$bin/initdb" --version | sed 's/[^0-9A-Za-z]\+/-/g')
  mkdir -p "$CACHE/pg"
  rm -rf "$data" "$data.part"
  (
    flock 9 # two callers make one
    [[ ! -s $kept/PG_VERSION ]] || exit 0
    mkdir -p "$data"
    [[ $(id -u) -ne 0 ]] || chown postgres "$data"
    as_owner "$bin/initdb" -D "$data" -U postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 \
      >"$data.log" 2>&1 9>&- || { tail -n 5 "$data.log" >&2 && die "initdb failed"; }
    rm -rf "$kept" "$kept.part"
    cp -a "$data" "$kept.part"
    mv -T "$kept.part" "$kept"
  ) 9>"$CACHE/pg/lock"
  [[ ! -s $data/PG_VERSION ]] || return 0
  # Whole or not at all, also when this script is killed.
  cp -a "$kept" "$data.part"
  mv -T "$data.part" "$data"
}
start() {
  mkdir -p "$dir"
  chmod 755 "$dir"
  local where data socket
  where=$(place) data=$where/data socket=$where/socket
  mkdir -p "$where"
  local fsync=${GODWIT_PG_FSYNC:-off}
  local port=${option:-$(cat "$dir/port" 2>/dev/null || free_port)}
  [[ -s $data/PG_VERSION ]] || fresh "$data"
  mkdir -p "$socket"
  touch "$where/postgres.log"
  [[ $(id -u) -ne 0 ]] || chown postgres "$socket" "$where/postgres.log"
  if ! running; then
    # pg_ctl hands this to a shell: it must be one line.
    local settings="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$socket'"
    settings+=" -c fsync=$fsync -c synchronous_commit=$fsync -c max_connections=200"
    as_owner "$bin/pg_ctl" -s -w -t 60 -D "$data" -l "$where/postgres.log" -o "$settings" start 9>&- >&2 ||
      { tail -n 10 "$where/postgres.log" >&2 && die "PostgreSQL did not start"; }
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
  stop) stop "$option" ;;
  destroy)
    [[ -d $dir ]] || exit 0
    stop
    rm -rf "$(place)" "$dir"
    ;;
  *) die "unknown action $action" ;;
esac
