#!/bin/bash
# build_disk.sh LAYOUT TREE.tar OUT.raw [KERNEL_OPTIONS]: puts a tree on a sparse disk that boots by BIOS.
#   ext4  one ext4 root; fstab and root= by kernel name (/dev/sda1): what breaks when the disk changes its bus
#   xfs   ext4 /boot and an XFS root, both by UUID
# Needs root (a loop device and mounts; all are gone at the end, also after a failure).
set -euo pipefail
layout=$1 tree=$2 out=$3 kernel_options=${4:-}
export LC_ALL=C.UTF-8

work=$(mktemp -d "$(dirname "$out")/disk.XXXXXX")
root=$work/root image=$work/image.raw loop=
mkdir "$root"

cleanup() {
  set +e
  local mount
  # Deepest first, and nothing below $work may be left when it is removed.
  for mount in $(awk -v at="$root" 'index($2, at) == 1 {print $2}' /proc/self/mounts | sort -r); do
    umount "$mount" || umount -l "$mount"
  done
  if [[ -n $loop ]]; then
    partx -d "$loop" 2>/dev/null
    losetup -d "$loop"
  fi
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- partitions -----------------------------------------------------------------------------------------------
truncate -s 2560M "$image"
case $layout in
  ext4) sfdisk -q "$image" <<<$'label: dos\nstart=2048, type=83, bootable' ;;
  xfs) sfdisk -q "$image" <<<$'label: dos\nstart=2048, size=256MiB, type=83, bootable\ntype=83' ;;
  *)
    echo "build_disk.sh: unknown layout $layout (ext4, xfs)" >&2
    exit 2
    ;;
esac
loop=$(losetup -f --show "$image")
# The kernel may have no partition parsers: partx tells it where they are.
partx -u "$loop" 2>/dev/null || partx -a "$loop" 2>/dev/null || true
for _ in $(seq 50); do
  [[ -b ${loop}p1 ]] && break
  partx -a "$loop" 2>/dev/null || true
  sleep 0.1
done
[[ -b ${loop}p1 ]] || {
  echo "build_disk.sh: no partitions on $loop" >&2
  exit 1
}

case $layout in
  ext4)
    mkfs.ext4 -q "${loop}p1"
    mount "${loop}p1" "$root"
    ;;
  xfs)
    mkfs.ext4 -q "${loop}p1"
    mkfs.xfs -q "${loop}p2"
    mount "${loop}p2" "$root"
    mkdir "$root/boot"
    mount "${loop}p1" "$root/boot"
    ;;
esac
tar -C "$root" -xpf "$tree" --xattrs --xattrs-include='*' --numeric-owner

# --- what the machine calls its disks -------------------------------------------------------------------------
uuid() { blkid -p -o value -s UUID "$1"; }
case $layout in
  ext4)
    root_name=/dev/sda1
    echo '/dev/sda1 / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
    ;;
  xfs)
    root_name=UUID=$(uuid "${loop}p2")
    printf 'UUID=%s / xfs defaults 0 0\nUUID=%s /boot ext4 defaults 0 2\n' \
      "$(uuid "${loop}p2")" "$(uuid "${loop}p1")" >"$root/etc/fstab"
    ;;
esac

# --- boot loader ----------------------------------------------------------------------------------------------
cat >"$root/etc/default/grub" <<EOF
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="$kernel_options"
GRUB_DISABLE_OS_PROBER=true
EOF
[[ $layout != ext4 ]] || echo GRUB_DISABLE_LINUX_UUID=true >>"$root/etc/default/grub"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
chroot "$root" grub-install --target=i386-pc "$loop" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
chroot "$root" update-grub 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
# Here the root sits on a loop device, and update-grub wrote that name.
sed -i -E "s#root=(${loop}p[0-9]|UUID=[0-9a-f-]+)#root=$root_name#g" "$root/boot/grub/grub.cfg"
grep -q "root=$root_name " "$root/boot/grub/grub.cfg" || {
  echo "build_disk.sh: grub.cfg does not say root=$root_name" >&2
  exit 1
}
rm -f "$root/boot/grub/device.map"
sync -f "$root"
# Free blocks that hold the past would be streamed: give them back to the sparse file.
fstrim "$root" 2>/dev/null || true

umount "$root/sys" "$root/proc" "$root/dev"
[[ $layout != xfs ]] || umount "$root/boot"
umount "$root"
partx -d "$loop"
losetup -d "$loop"
loop=
mv "$image" "$out"
