#!/bin/bash
# ceph_cluster.sh FOLDER: a Ceph cluster of one monitor, one manager and one OSD in FOLDER, on loopback, with cephx, until it is
# ended by a signal. FOLDER must not exist or be empty. When it serves, FOLDER/ready is there:
#   FOLDER/ceph.conf  for clients (client.admin, and client.godwit with the rights that docs/staging.md gives it)
#   pool "staging"    replicated once; figures of its space come some ten seconds later
# CEPH_OSD_BYTES (default 4 GiB) is the size of the OSD, a sparse file. Needs no root, no LVM, no device mapper.
set -euo pipefail
folder=$(readlink -m "$1")
bytes=${CEPH_OSD_BYTES:-4294967296}
mkdir -p "$folder"/{mon,mgr/x,osd/0,log,run}
cd "$folder"

pids=()
# What was started goes with this script, even when it is killed.
daemon() { setpriv --pdeathsig KILL "$@" >>"log/daemons.out" 2>&1 & pids+=($!); }
finish() {
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for ((i = 0; i < 50; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
  wait || true
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

# await SECONDS COMMAND...: until it succeeds.
await() {
  local end=$((SECONDS + $1)); shift
  until timeout 10 "$@" >>log/await.out 2>&1; do
    ((SECONDS < end)) || { echo "ceph_cluster.sh: gave up on: $*" >&2; tail -n 5 log/*.out >&2; exit 1; }
    kill -0 "${pids[@]}" 2>/dev/null || { echo "ceph_cluster.sh: a daemon ended" >&2; tail -n 20 log/*.out >&2; exit 1; }
    sleep 0.1
  done
}

fsid=$(</proc/sys/kernel/random/uuid)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >ceph.conf <<END
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$port
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = $folder/run
log file = $folder/log/\$name.log
admin socket = $folder/run/\$name.asok
crash dir = $folder/log
pid file = $folder/\$type.pid
keyring = $folder/\$name.keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
# A full OSD is to be noticed soon, and no longer than it is.
osd mon report interval = 1
# A snapshot waits for a round of the monitor, here ten times as often as by default.
paxos propose interval = ${CEPH_PAXOS_SECONDS:-0.1}
[client]
log file =
pid file =
admin socket =
[mon]
mon data = $folder/mon/a
[mgr]
mgr data = $folder/mgr/\$id
mgr initial modules =
mgr stats period = 2
[osd]
osd data = $folder/osd/\$id
osd objectstore = bluestore
bluestore block create = true
bluestore block size = $bytes
bluestore block db create = false
bluestore block wal create = false
bdev enable discard = false
bluestore cache autotune = false
bluestore cache size = 134217728
osd op num shards = 2
osd op num threads per shard = 2
END
export CEPH_CONF=$folder/ceph.conf
umask 077
ceph-authtool --create-keyring mon.a.keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool --create-keyring client.admin.keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool mon.a.keyring --import-keyring client.admin.keyring >/dev/null
monmaptool --create --clobber --fsid "$fsid" --addv a "v2:127.0.0.1:$port" monmap >/dev/null
ceph-mon --mkfs -i a --monmap monmap --keyring mon.a.keyring >log/mkfs.out 2>&1
daemon ceph-mon -i a -f
await 30 ceph -s --connect-timeout 5
ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' -o mgr.x.keyring
daemon ceph-mgr -i x -f
uuid=$(</proc/sys/kernel/random/uuid)
ceph-authtool --create-keyring osd.0.keyring --gen-key -n osd.0 >/dev/null
secret=$(ceph-authtool -p -n osd.0 osd.0.keyring)
printf '{"cephx_secret": "%s"}' "$secret" | ceph osd new "$uuid" -i - >/dev/null 2>&1
ceph-osd -i 0 --mkfs --osd-uuid "$uuid" >>log/mkfs.out 2>&1
daemon ceph-osd -i 0 -f
ceph osd pool create staging 16 16 >/dev/null 2>&1
await 60 sh -c 'ceph osd stat | grep -q "1 up"'
ceph osd pool application enable staging rbd >/dev/null 2>&1
ceph auth get-or-create client.godwit mon 'profile rbd' osd 'profile rbd pool=staging' -o client.godwit.keyring
touch ready
wait -n "${pids[@]}"
