#!/bin/bash
# mini_image.sh LAYOUT: prints the paths of the disks of the mini machine, boot disk first, one a line; builds them when the cache
# has none for the present scripts (a minute for the tree, once; 5 to 15 s for a layout). Needs root to build.
#   LAYOUT   gpt-uefi, gpt-bios, lvm, luks-lvm, md or btrfs: see tests/support/images/mini/layout.sh
# The images are read only by contract: run machines on overlays. The key of luks-lvm lies beside its disk, as OUT.key with "-0.raw"
# replaced by ".key". Cache: $GODWIT_CACHE, or .cache in the repository.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
recipe=$REPO/tests/support/images/mini
appliance=$REPO/services/conversion/appliance/build_appliance.sh

layout=${1:-}
[[ " gpt-uefi gpt-bios lvm luks-lvm md btrfs " == *" $layout "* ]] || die "unknown layout '$layout' (see the head of $0)"
need mmdebstrap losetup sfdisk mkfs.ext4 mkfs.btrfs mkfs.vfat mcopy grub-mkimage cpio python3 qemu-system-x86_64

digest() { sha256sum | cut -c1-16; }
tree_id=$(cd "$recipe" && find files setup.sh build_tree.sh -type f -printf '%p %m\n' -exec cat {} + | digest)
disk_id=$({ echo "$tree_id $layout" && cat "$recipe"/{layout,names,in_machine}.sh; } | digest)
mkdir -p "$CACHE/images"
tree=$CACHE/images/mini-tree-$tree_id.tar
image=$CACHE/images/mini-$layout-$disk_id

exec 9>"$CACHE/images/mini.lock"
flock 9 # two callers build once
if [[ ! -s $image-0.raw ]]; then
  [[ $(id -u) -eq 0 ]] || die "building the disks needs root (owners of files, a loop device); run it with sudo once"
  if [[ ! -s $tree ]]; then
    say "building the Debian 12 tree of the mini machine (once, a minute) ..."
    rm -f "$CACHE"/images/mini-tree-*.tar
    "$recipe/build_tree.sh" "$tree" >"$CACHE/images/mini-tree.log" 2>&1 9>&- || {
      tail -n 30 "$CACHE/images/mini-tree.log" >&2
      die "building the tree failed; the whole log: $CACHE/images/mini-tree.log"
    }
  fi
  say "building the $layout disks of the mini machine ..."
  "$appliance" "$recipe/in_machine.sh" "$CACHE/images/mini-machine" >&2 9>&-
  rm -f "$CACHE/images/mini-$layout-"*
  "$recipe/layout.sh" "$layout" "$tree" "$image" "$CACHE/images/mini-machine" >"$CACHE/images/mini-disk.log" 2>&1 9>&- || {
    tail -n 30 "$CACHE/images/mini-disk.log" >&2
    die "building the disks failed; the whole log: $CACHE/images/mini-disk.log"
  }
fi
ls "$image"-?.raw
