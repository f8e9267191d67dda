#!/bin/bash
# Runs the source machine (deploy/dev/source_image.sh) in QEMU on the hardware that it was installed for.
#
#   source_machine.sh start DIR [--layout LAYOUT] [--serial] [--hardware ide|ahci|virtio|pvscsi|ec2] [--firmware bios|uefi] [--booted]
#                     [--memory MIB] [--ssh-port P] [--http-port P]
#   source_machine.sh wait DIR [SECONDS]     until the page is served (default 300 s)
#   source_machine.sh status DIR             prints "running" or "stopped" (status 3) and the ports
#   source_machine.sh ssh DIR [COMMAND...]   as root
#   source_machine.sh copy DIR FILE PATH     copies a file into the machine
#   source_machine.sh screen DIR OUT.ppm     what is on the screen
#   source_machine.sh stop DIR               power off at once; the disk stays
#
# LAYOUT: see deploy/dev/source_image.sh; ssh, copy and --booted are for ext4 and xfs (the mini machine has no ssh server).
# DIR keeps disk.qcow2 (an overlay: the image itself never changes), disk1.qcow2... of more disks, pid, qmp.sock, ssh.port, http.port, serial.log.
# A second start in the same DIR goes on with the same disk. The machine reaches services of this host at 10.0.2.2.
# --booted starts from the memory of a machine that was booted once before (0.6 s; made and cached at first use);
# it needs a fresh DIR, and the disk is then a copy instead of an overlay. Its clock is set to the present.
# Accelerator: software emulation, so the timing is the same wherever it runs.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
here=$REPO/deploy/dev

(($# >= 2)) || die "usage: $0 start|wait|status|ssh|copy|screen|stop DIR ... (see the head of the file)"
action=$1 dir=$2
shift 2

read_port() { cat "$dir/$1.port" 2>/dev/null || die "$dir has no machine: start one"; }

ssh_options=(-i "$CACHE/ssh/id_ed25519" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
  -o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=8)
# The page may be served before the ssh server is there; QEMU takes connections for it meanwhile, and resets them.
await_ssh() {
  local deadline=$((SECONDS + 120)) port
  [[ ! -e $dir/ssh.ready ]] || return 0
  port=$(read_port ssh)
  until (exec 3<>"/dev/tcp/127.0.0.1/$port" && IFS= read -r -t 10 banner <&3 && [[ $banner == SSH-* ]]) 2>/dev/null; do
    alive "$dir/pid" || die "the machine in $dir has ended"
    ((SECONDS < deadline)) || die "no ssh server on port $port after 120 s"
    sleep 0.3
  done
  touch "$dir/ssh.ready"
}
run_ssh() {
  await_ssh
  ssh "${ssh_options[@]}" -p "$(read_port ssh)" root@127.0.0.1 "$@"
}

# The saved memory only fits a machine built by the very same arguments; paths and ports may differ.
qemu_arguments() {
  local hardware=$1 memory=$2
  local board=pc disk='ide-hd,bus=ide.0' card=e1000
  case $hardware in
    ide) ;;
    ahci) board=q35 ;;
    virtio) board=q35 disk=virtio-blk-pci card=virtio-net-pci ;;
    pvscsi) board=q35 disk=scsi-hd card=vmxnet3 && printf '%s\n' -device pvscsi ;;
    ec2) board=q35 disk=nvme,serial=vol0 card=e1000e ;;
    *) die "unknown --hardware $hardware (ide, ahci, virtio, pvscsi, ec2)" ;;
  esac
  # A VGA device must be there: GRUB hangs without one.
  printf '%s\n' -nodefaults -no-user-config -display none -vga std -accel tcg,thread=multi,tb-size=512 -cpu max \
    -M "$board" -smp 2 -m "$memory" -device "$disk,drive=disk0,bootindex=1" \
    -device "$card,netdev=net0,mac=52:54:00:aa:00:01,romfile="
}

# more_disks HARDWARE: arguments for disk1.qcow2 and so on.
more_disks() {
  local number device
  for number in 1 2 3; do
    [[ -e $dir/disk$number.qcow2 ]] || return 0
    case $1 in
      ide) device="ide-hd,bus=ide.$((number / 2)),unit=$((number % 2))" ;;
      ahci) device="ide-hd,bus=ide.$number" ;;
      *) device=virtio-blk-pci ;;
    esac
    printf '%s\n' -drive "file=$dir/disk$number.qcow2,if=none,id=disk$number,format=qcow2,cache=unsafe,discard=unmap" \
      -device "$device,drive=disk$number"
  done
}

# launch HARDWARE MEMORY [QEMU-ARGUMENT...]: starts QEMU on $dir/disk.qcow2 in the background.
launch() {
  local arguments ports
  mapfile -t arguments < <(qemu_arguments "$1" "$2")
  ports="hostfwd=tcp:127.0.0.1:$(read_port ssh)-:22,hostfwd=tcp:127.0.0.1:$(read_port http)-:80"
  mapfile -t -O "${#arguments[@]}" arguments < <(more_disks "$1")
  shift 2
  rm -f "$dir/qmp.sock" "$dir/ssh.ready"
  qemu-system-x86_64 "${arguments[@]}" \
    -drive "file=$dir/disk.qcow2,if=none,id=disk0,format=qcow2,cache=unsafe,discard=unmap" \
    -netdev "user,id=net0,$ports" -serial "file:$dir/serial.log" \
    -qmp "unix:$dir/qmp.sock,server=on,wait=off" -pidfile "$dir/pid" -daemonize "$@" 9>&- ||
    die "QEMU did not start (the message is above)"
}

wait_page() {
  local seconds=$1 deadline=$((SECONDS + $1)) port
  port=$(read_port http)
  until curl -fs -m 5 -o /dev/null "http://127.0.0.1:$port/"; do
    alive "$dir/pid" || die "the machine in $dir has ended"
    ((SECONDS < deadline)) || die "no page on port $port after $seconds s (look at: $0 screen $dir screen.ppm)"
    sleep 0.3
  done
}

# saved_disk IMAGE HARDWARE MEMORY: path of a qcow2 that holds a booted machine; boots one when the cache has none.
saved_disk() {
  local saved id
  id=$({ echo "$1" && qemu_arguments "$2" "$3" && qemu-system-x86_64 --version; } | sha256sum | cut -c1-16)
  saved=$CACHE/images/booted-$id.qcow2
  exec 9>"$CACHE/images/booted.lock"
  flock 9
  if [[ ! -s $saved ]]; then
    say "booting the source machine once, to keep its state ..."
    local boot=$CACHE/images/booting
    "$0" stop "$boot" 2>/dev/null || true
    rm -rf "$boot"
    # shellcheck disable=SC2064
    trap "'$0' stop '$boot'; rm -rf '$boot'" EXIT
    "$0" start "$boot" "${forward[@]}" >&2
    "$0" wait "$boot" 600
    "$0" ssh "$boot" 'systemctl is-system-running --wait' >&2 || true
    "$here/qmp.py" "$boot/qmp.sock" hmp savevm booted
    "$0" stop "$boot"
    mv "$boot/disk.qcow2" "$saved"
    rm -rf "$boot"
    trap - EXIT
  fi
  exec 9>&-
  printf '%s\n' "$saved"
}

start() {
  local image_arguments=() firmware=bios hardware=ide memory=1024 booted='' ssh_port='' http_port=''
  forward=() # what a machine to be saved is started with
  while (($#)); do
    case $1 in
      --layout) image_arguments+=("$2") forward+=("$1" "$2") && shift ;;
      --serial) image_arguments+=(--serial) forward+=("$1") ;;
      --hardware) hardware=$2 forward+=("$1" "$2") && shift ;;
      --firmware) firmware=$2 && shift ;;
      --memory) memory=$2 forward+=("$1" "$2") && shift ;;
      --booted) booted=1 ;;
      --ssh-port) ssh_port=$2 && shift ;;
      --http-port) http_port=$2 && shift ;;
      *) die "unknown argument $1 of start" ;;
    esac
    shift
  done
  need qemu-system-x86_64 qemu-img ssh curl python3
  ! alive "$dir/pid" || die "a machine runs in $dir already"
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  local image number=0 images
  # With a disk of one's own (converted somewhere else) no image is needed.
  if [[ -n $booted || ! -e $dir/disk.qcow2 ]]; then
    images=$("$here/source_image.sh" "${image_arguments[@]}")
    image=${images%%$'\n'*}
  fi
  echo "${ssh_port:-$(free_port)}" >"$dir/ssh.port"
  echo "${http_port:-$(free_port)}" >"$dir/http.port"
  if [[ -n $booted ]]; then
    [[ ! -e $dir/disk.qcow2 ]] || die "--booted needs a directory without a disk: remove $dir"
    cp --sparse=auto --reflink=auto "$(saved_disk "$image" "$hardware" "$memory")" "$dir/disk.qcow2"
    launch "$hardware" "$memory" -loadvm booted
    wait_page 60
    run_ssh "date -u -s @$(date +%s)" >/dev/null
  else
    if [[ ! -e $dir/disk.qcow2 ]]; then
      while read -r image; do
        qemu-img create -q -f qcow2 -F raw -b "$image" "$dir/disk$number.qcow2"
        number=$((number + 1))
      done <<<"$images"
      mv "$dir/disk0.qcow2" "$dir/disk.qcow2"
    fi
    local pflash=()
    if [[ $firmware == uefi ]]; then
      [[ -s /usr/share/OVMF/OVMF_CODE_4M.fd ]] || die "the package ovmf is missing"
      cp /usr/share/OVMF/OVMF_VARS_4M.fd "$dir/variables.fd" # empty: it knows no boot entry
      pflash=(-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
        -drive "if=pflash,unit=1,format=raw,file=$dir/variables.fd")
    fi
    launch "$hardware" "$memory" "${pflash[@]}"
  fi
  printf 'ssh port %s, http port %s\n' "$(read_port ssh)" "$(read_port http)"
}

case $action in
  start) start "$@" ;;
  wait) wait_page "${1:-300}" ;;
  status)
    alive "$dir/pid" || { echo stopped && exit 3; }
    printf 'running, ssh port %s, http port %s\n' "$(read_port ssh)" "$(read_port http)"
    ;;
  ssh) run_ssh "$@" ;;
  copy)
    await_ssh
    scp -q "${ssh_options[@]}" -P "$(read_port ssh)" "$1" "root@127.0.0.1:$2"
    ;;
  screen) "$here/qmp.py" "$dir/qmp.sock" screendump "{\"filename\": \"$(realpath "$1")\"}" >/dev/null ;;
  stop)
    if alive "$dir/pid"; then "$here/qmp.py" "$dir/qmp.sock" quit >/dev/null 2>&1 || true; fi
    end "$dir/pid" 10
    rm -f "$dir/qmp.sock"
    ;;
  *) die "unknown action $action (start, wait, status, ssh, copy, screen, stop)" ;;
esac
