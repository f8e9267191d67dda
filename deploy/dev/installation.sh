#!/bin/bash
# A complete installation of Godwit on this machine, for trying out and for tests: PostgreSQL, certificates, registry,
# replication coordinator and one worker, conversion service and one worker, jobs.
#
#   installation.sh start DIR [--bin BUILD/bin] [--advertise ADDRESS] [--libvirt] [--gateway] [--with NAME:OPTION]...
#   installation.sh status DIR      one line a process; status 3 when one of them does not run
#   installation.sh stop DIR        ends everything, launched machines too; the data stays and start goes on with it
#   installation.sh destroy DIR     the same, and removes DIR
#
# All of it is below DIR: pg/ (PostgreSQL), ca/ and tls/NAME/ (keys), run/NAME.pid, log/NAME.log, store/ (staging),
# machines/ (launched machines), install/ (packages of the agent that the gateway offers), master.keys (for replicas that are encrypted at rest), ports (also NAME-metrics: of http://127.0.0.1:PORT/metrics), cli.conf (for godwit --config). Ports are chosen once and kept.
# --gateway: with a gateway as well, https://ADDRESS:PORT of account 123456789012; clients verify it with ca/ca.crt.
# --with: one more option of a process, for example --with registry:--lifecycle-profile=lenient; only for this start.
# --libvirt: with a libvirt daemon of its own (deploy/dev/libvirt_daemon.sh), so that servers can be launched on target libvirt, too.
# ADDRESS (default 127.0.0.1) is how agents reach this machine: 10.0.2.2 for source machines in QEMU user networking.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
here=$REPO/deploy/dev

(($# >= 2)) || die "usage: $0 start|status|stop|destroy DIR [--bin DIR] [--advertise ADDRESS]"
action=$1 dir=$(realpath -m "$2")
shift 2
bin=$REPO/build/dev/bin advertise=127.0.0.1 libvirt= gateway=
declare -A with=() # process -> options, one a line
while (($#)); do
  case $1 in
    --bin) bin=$(realpath "$2") && shift ;;
    --advertise) advertise=$2 && shift ;;
    --libvirt) libvirt=1 ;;
    --gateway) gateway=1 ;;
    --with)
      [[ ${2:-} == *:--* ]] || die "--with NAME:OPTION is needed"
      with[${2%%:*}]+=${2#*:}$'\n'
      shift
      ;;
    *) die "unknown argument $1" ;;
  esac
  shift
done

# In the order in which they start; they end in the opposite order.
processes=(registry replication replication-worker conversion conversion-worker jobs)
if [[ -n $gateway || -e $dir/tls/gateway ]]; then processes+=(gateway) gateway=1; fi

choose_ports() {
  local name
  for name in registry enrollment replication replication-worker conversion jobs gateway "${processes[@]/%/-metrics}"; do
    grep -qs "^$name=" "$dir/ports" || printf '%s=%s\n' "$name" "$(free_port)" >>"$dir/ports"
  done
}
port() { sed -n "s/^$1=//p" "$dir/ports"; }

certificates() {
  local identity name
  [[ -s $dir/ca/ca.crt ]] || "$bin/godwit-registry" ca-init --dir "$dir/ca" >"$dir/log/ca.log" 2>&1 ||
    { cat "$dir/log/ca.log" >&2 && die "ca-init failed"; }
  while read -r name identity; do
    [[ -s $dir/tls/$name/tls.crt ]] || "$bin/godwit-registry" ca-issue --dir "$dir/ca" --identity "$identity" \
      --out "$dir/tls/$name" >>"$dir/log/ca.log" 2>&1 || { cat "$dir/log/ca.log" >&2 && die "ca-issue failed"; }
  done <<'EOF'
registry service/registry
replication service/replication
conversion service/conversion
jobs service/jobs
replication-worker worker/w-00000000000000001
conversion-worker conversion-worker/cw-1
admin user/admin/demo
EOF
  [[ -z $gateway || -s $dir/tls/gateway/tls.crt ]] || "$bin/godwit-registry" ca-issue --dir "$dir/ca" --identity service/gateway \
    --server-name 127.0.0.1 --server-name "$advertise" --out "$dir/tls/gateway" >>"$dir/log/ca.log" 2>&1 ||
    { cat "$dir/log/ca.log" >&2 && die "ca-issue failed"; }
}

# run NAME ARGUMENT...: starts godwit-NAME in a session of its own (a Ctrl-C is for the caller alone).
run() {
  local name=$1
  shift
  ! alive "$dir/run/$name.pid" || return 0
  local more=()
  [[ -z ${with[$name]:-} ]] || mapfile -t more < <(printf %s "${with[$name]}")
  : >"$dir/log/$name.log"
  setsid "$bin/godwit-$name" --tls-dir "$dir/tls/$name" --metrics-listen "127.0.0.1:$(port "$name-metrics")" "$@" "${more[@]}" >>"$dir/log/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/run/$name.pid"
  local deadline=$((SECONDS + 60))
  until grep -q '"msg": *"serving"' "$dir/log/$name.log"; do
    alive "$dir/run/$name.pid" || { tail -n 5 "$dir/log/$name.log" >&2 && die "godwit-$name ended at once"; }
    ((SECONDS < deadline)) || { tail -n 5 "$dir/log/$name.log" >&2 && die "godwit-$name does not serve"; }
    sleep 0.05
  done
}

start() {
  local program database
  for program in migrate "${processes[@]}"; do
    [[ -x $bin/godwit-$program ]] || die "$bin/godwit-$program is missing: build it first"
  done
  mkdir -p "$dir"/{run,log,tls,store,machines,conversion,install}
  choose_ports
  database=$("$here/pg_cluster.sh" start "$dir/pg")
  "$bin/godwit-migrate" --database "$database" >"$dir/log/migrate.log" 2>&1 ||
    { tail -n 5 "$dir/log/migrate.log" >&2 && die "godwit-migrate failed"; }
  certificates
  [[ -s $dir/master.keys ]] ||
    "$bin/godwit-replication-worker" keys generate --master-key-file "$dir/master.keys" >"$dir/log/keys.log" 2>&1 ||
    { cat "$dir/log/keys.log" >&2 && die "making a master key failed"; }

  local registry replication conversion jobs
  registry=127.0.0.1:$(port registry)
  replication=127.0.0.1:$(port replication)
  conversion=127.0.0.1:$(port conversion)
  jobs=127.0.0.1:$(port jobs)
  run registry --listen "$registry" --enroll-listen "127.0.0.1:$(port enrollment)" --ca-dir "$dir/ca" \
    --database "$database" --jobs "$jobs" --replication "$replication" \
    --advertise "$advertise:$(port registry)" --advertise-replication "$advertise:$(port replication)" \
    --master-key-file "$dir/master.keys"
  run replication --listen "$replication" --database "$database" --registry "$registry"
  run replication-worker --listen "127.0.0.1:$(port replication-worker)" \
    --advertise "$advertise:$(port replication-worker)" --store "$dir/store" --replication "$replication" \
    --master-key-file "$dir/master.keys"
  run conversion --listen "$conversion" --database "$database" --registry "$registry"
  run conversion-worker --conversion "$conversion" --work-dir "$dir/conversion" \
    --master-key-file "$dir/master.keys"
  local more=()
  if [[ -n $libvirt ]]; then
    more=(--libvirt-uri "$("$here/libvirt_daemon.sh" start "$dir")") || die "no libvirt daemon"
  fi
  run jobs --listen "$jobs" --database "$database" --registry "$registry" --replication "$replication" \
    --conversion "$conversion" --machines-dir "$dir/machines" --master-key-file "$dir/master.keys" "${more[@]}"
  [[ -z $gateway ]] || run gateway --listen "127.0.0.1:$(port gateway)" --registry "$registry" --replication "$replication" \
    --jobs "$jobs" --account 123456789012 --install-dir "$dir/install" --enrollment "$advertise:$(port enrollment)"

  printf '%s = %s\n' tls-dir "$dir/tls/admin" registry "$registry" replication "$replication" jobs "$jobs" \
    conversion "$conversion" enrollment "$advertise:$(port enrollment)" >"$dir/cli.conf"
}

status() {
  local name bad=0
  for name in "${processes[@]}"; do
    if alive "$dir/run/$name.pid"; then
      echo "$name runs (pid $(cat "$dir/run/$name.pid"), log $dir/log/$name.log)"
    else
      echo "$name does not run" && bad=3
    fi
  done
  return "$bad"
}

stop() {
  local i
  for ((i = ${#processes[@]} - 1; i >= 0; i--)); do end "$dir/run/${processes[i]}.pid" 20; done
  "$here/libvirt_daemon.sh" stop "$dir"
  stop_machines
  [[ ! -d $dir/pg ]] || "$here/pg_cluster.sh" stop "$dir/pg"
}

# Launched machines outlive the services on purpose; an installation that is thrown away takes them along.
stop_machines() {
  local file
  while IFS= read -r file; do end "$file" 10; done < <(find "$dir/machines" -name '*pid' -type f 2>/dev/null)
}

case $action in
  start) start ;;
  status) status ;;
  stop) stop ;;
  destroy)
    stop
    [[ ! -d $dir/pg ]] || "$here/pg_cluster.sh" destroy "$dir/pg"
    rm -rf "$dir"
    ;;
  *) die "unknown action $action (start, status, stop, destroy)" ;;
esac
