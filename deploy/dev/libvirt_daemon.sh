#!/bin/bash
# A libvirt daemon of one's own, without privileges: for trying out target libvirt where no libvirt host is at hand.
#
#   libvirt_daemon.sh start DIR   prints the URI; a running one goes on
#   libvirt_daemon.sh stop DIR    ends the daemon and its machines, and removes its files
#
# DIR/libvirt.home names its folder, which is in /tmp because names of libvirt's sockets are long and their length is limited.
# Started by root it lives in a user namespace where it is nobody special, which libvirt takes for a user's session.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"

(($# == 2)) || die "usage: $0 start|stop DIR"
action=$1 dir=$2
home=$(cat "$dir/libvirt.home" 2>/dev/null || true)

start() {
  need libvirtd virsh unshare
  if [[ -z $home ]]; then
    home=$(mktemp -d /tmp/gvirt-XXXXXX)
    echo "$home" >"$dir/libvirt.home"
    mkdir -p "$home"/{run,config/libvirt,data,cache}
    echo "unix_sock_dir=\"$home/run\"" >"$home/config/libvirt/libvirtd.conf"
    printf 'security_driver="none"\nstdio_handler="file"\n' >"$home/config/libvirt/qemu.conf"
  fi
  if ! alive "$home/pid"; then
    rm -f "$home/run/libvirt-sock"
    local command=(libvirtd)
    [[ $(id -u) -ne 0 ]] || command=(unshare --user --map-user=1000 --map-group=1000 libvirtd)
    HOME=$home XDG_RUNTIME_DIR=$home/run XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/data XDG_CACHE_HOME=$home/cache \
      setsid "${command[@]}" >>"$home/log" 2>&1 </dev/null &
    echo $! >"$home/pid"
    local deadline=$((SECONDS + 60))
    until [[ -S $home/run/libvirt-sock ]]; do
      alive "$home/pid" || { tail -n 5 "$home/log" >&2 && die "libvirtd ended at once"; }
      ((SECONDS < deadline)) || { tail -n 5 "$home/log" >&2 && die "libvirtd does not serve"; }
      sleep 0.1
    done
  fi
  echo "qemu+unix:///session?socket=$home/run/libvirt-sock"
}

stop() {
  [[ -n $home ]] || return 0
  end "$home/pid" 20
  # Machines outlive the daemon.
  local file
  while IFS= read -r file; do end "$file" 10; done < <(find "$home/run" -name '*.pid' -type f 2>/dev/null)
  rm -rf "$home"
  rm -f "$dir/libvirt.home"
}

case $action in
  start) start ;;
  stop) stop ;;
  *) die "unknown action $action (start, stop)" ;;
esac
