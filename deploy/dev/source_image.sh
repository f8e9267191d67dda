#!/bin/bash
# source_image.sh [--serial] [LAYOUT]: prints the path of the disk image of a Debian 12 source machine; builds it when
# the cache has none for the present scripts (about two minutes the first time, nothing afterwards). Needs root to build.
#   LAYOUT     ext4 (default) or xfs: see tests/support/images/source/build_disk.sh. Others are of the smaller machine of
#              deploy/dev/mini_image.sh, and may have several disks: one path a line
#   --serial   a console on the serial port as well; without it a failed boot of the source is silent, as on real servers
# The image is read only by contract: run machines on an overlay (deploy/dev/source_machine.sh does).
# Cache: $GODWIT_CACHE, or .cache in the repository. The key that logs in as root is $GODWIT_CACHE/ssh/id_ed25519.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
recipe=$REPO/tests/support/images/source

layout=ext4 kernel_options=
for argument; do
  case $argument in
    --serial) kernel_options='console=tty0 console=ttyS0,115200' ;;
    ext4 | xfs) layout=$argument ;;
    gpt-uefi | gpt-bios | lvm | luks-lvm | md | btrfs) exec "$(dirname "$0")/mini_image.sh" "$argument" ;;
    *) die "unknown argument $argument (see the head of $0)" ;;
  esac
done
need mmdebstrap losetup partx sfdisk mkfs.ext4 mkfs.xfs ssh-keygen python3

key=$(source_key)
# The name says what the content depends on, so an old image is never taken for a new recipe.
digest() { sha256sum | cut -c1-16; }
tree_id=$({ cd "$recipe" && find files setup.sh build_tree.sh -type f -printf '%p %m\n' -exec cat {} + &&
  cat "$key.pub"; } | digest)
disk_id=$({ echo "$tree_id $layout $kernel_options" && cat "$recipe/build_disk.sh"; } | digest)
mkdir -p "$CACHE/images"
tree=$CACHE/images/tree-$tree_id.tar
image=$CACHE/images/source-$layout-$disk_id.raw

exec 9>"$CACHE/images/lock"
flock 9 # two callers build once
if [[ ! -s $image ]]; then
  [[ $(id -u) -eq 0 ]] || die "building the source image needs root (loop device, mounts); run it with sudo once"
  if [[ ! -s $tree ]]; then
    say "building the Debian 12 tree of the source machine (once, 1-2 minutes) ..."
    rm -f "$CACHE"/images/tree-*.tar
    "$recipe/build_tree.sh" "$tree.part" "$(cat "$key.pub")" >"$CACHE/images/tree.log" 2>&1 9>&- || {
      tail -n 30 "$CACHE/images/tree.log" >&2
      die "building the tree failed; the whole log: $CACHE/images/tree.log"
    }
    mv "$tree.part" "$tree"
  fi
  say "building the $layout disk of the source machine ..."
  "$recipe/build_disk.sh" "$layout" "$tree" "$image" "$kernel_options" >"$CACHE/images/disk.log" 2>&1 9>&- || {
    tail -n 30 "$CACHE/images/disk.log" >&2
    die "building the disk failed; the whole log: $CACHE/images/disk.log"
  }
fi
printf '%s\n' "$image"
