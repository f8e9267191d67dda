#!/bin/bash
# layout.sh LAYOUT TREE.tar OUT MACHINE: puts the tree of build_tree.sh on the disks OUT-0.raw, OUT-1.raw...
#   gpt-uefi  ESP (only the vendor's folder, no EFI/BOOT) and an ext4 root     gpt-bios  bios_grub area, ext4 root, swap
#   lvm       /boot, a root LV, a /srv LV striped over two disks               luks-lvm  /boot, LVM in LUKS 2 (root, swap)
#   md        RAID1 over two disks: all of it, /boot and a swap file included  btrfs     subvolumes @ and @home
# Names in fstab and root= are those that a new machine does not have, where the layout allows it.
# MACHINE: a folder with vmlinuz and appliance.cpio whose program is in_machine.sh. OUT.key is the key of a LUKS disk.
# Needs root (files keep their owners; Btrfs needs a loop device); everything is gone at the end, also after a failure.
set -euo pipefail
export LC_ALL=C.UTF-8 LAYOUT=$1
tree=$2 out=$3 machine=$4
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/images/mini/names.sh
. "$here/names.sh"
grub=/usr/lib/grub/i386-pc
mib=1048576

work=$(mktemp -d "$(dirname "$out")/layout.XXXXXX")
root=$work/root loop=
cleanup() {
  set +e
  mountpoint -q "$work/btrfs" && umount "$work/btrfs"
  [[ -z $loop ]] || losetup -d "$loop"
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$root" "$work/btrfs"
tar -C "$root" -xpf "$tree" --xattrs --xattrs-include='*' --numeric-owner
kernel=$(basename "$root"/boot/vmlinuz-*)
release=${kernel#vmlinuz-}

# --- pieces ---------------------------------------------------------------------------------------------------
disk() { # disk NUMBER MIB [SFDISK-LINES]
  truncate -s "$2M" "$work/disk-$1"
  [[ -z ${3:-} ]] || sfdisk -q "$work/disk-$1" <<<"$3"
}
put() { # put FILE DISK MIB: a file system into its partition
  dd if="$1" of="$work/disk-$2" bs=1M seek="$3" conv=notrunc,sparse status=none
}
ext4() { # ext4 FOLDER OUT MIB UUID LABEL: packs a folder and empties it; blocks as large as the pages of a swap file
  truncate -s "$3M" "$2"
  mkfs.ext4 -q -b 4096 -U "$4" -L "$5" -E "hash_seed=$4,lazy_itable_init=0" -d "$1" "$2"
  find "$1" -mindepth 1 -delete
}
swap() { # swap OUT MIB: no holes, or a swap file would be refused
  yes swap | head -c "$2M" >"$1" || [[ -s $1 ]]
  chmod 600 "$1"
  mkswap -q "$1"
}
# GRUB by BIOS, with all it needs in its core: boot.img to the first sector, core.img to sector $2, which both must know.
bios_grub() { # bios_grub DISK SECTOR PREFIX UUID
  printf 'search.fs_uuid %s root\nset prefix=($root)%s\n' "$4" "$3" >"$work/load.cfg"
  grub-mkimage -d "$grub" -O i386-pc -p "$3" -c "$work/load.cfg" -o "$work/core.img" biosdisk part_msdos part_gpt diskfilter \
    mdraid1x ext2 btrfs search search_fs_uuid normal configfile linux minicmd echo test ls reboot
  python3 - "$work/disk-$1" "$2" "$grub/boot.img" "$work/core.img" <<'PYTHON'
import struct
import sys

path, sector = sys.argv[1], int(sys.argv[2])
boot, core = (bytearray(open(name, "rb").read()) for name in sys.argv[3:])
boot[0x5c:0x64] = struct.pack("<Q", sector)
core[0x1f4:0x1fc] = struct.pack("<Q", sector + 1)
with open(path, "r+b") as disk:
    disk.write(boot[:440])
    disk.seek(sector * 512)
    disk.write(core)
PYTHON
}
menu() { # menu UUID FOLDER-AS-GRUB-SEES-IT: the configuration, as update-grub writes it in short
  mkdir -p "$root/boot/grub"
  cat >"$root/boot/grub/grub.cfg" <<END
# made for this disk; the machine's own update-grub would write it again
set default="0"
set timeout=0
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class os {
	search --no-floppy --fs-uuid --set=root $1
	linux	$2/$kernel root=$root_name ro ${more_arguments:-} quiet
	initrd	$2/initrd.img-$release
}
END
  printf '%s\n' GRUB_DEFAULT=0 GRUB_TIMEOUT=0 GRUB_DISTRIBUTOR=Debian 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"' \
    "GRUB_CMDLINE_LINUX=\"${more_arguments:-}\"" GRUB_DISABLE_LINUX_UUID=true >"$root/etc/default/grub"
}
# What only a kernel with device-mapper and md can make. Disks: those of the layout, then FILE...
in_machine() {
  local number=0 file
  local arguments=(-nodefaults -no-user-config -display none -no-reboot -machine q35,usb=off -accel tcg,thread=multi -cpu max
    -smp 1 -m 512 -kernel "$machine/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet'
    -serial "file:$work/console" -serial null)
  { declare -p LAYOUT root_mib luks_uuid md_uuid passphrase | sed 's/^declare [^ ]* //'; } >"$work/layout"
  { cat "$machine/appliance.cpio" && cd "$work" && echo layout | cpio --quiet -o -H newc -R 0:0; } >"$work/initrd"
  for file in "$work"/disk-? "$@"; do
    arguments+=(-drive "file=$file,if=none,id=disk$number,format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap"
      -device "virtio-blk-pci,drive=disk$number")
    number=$((number + 1))
  done
  timeout 300 qemu-system-x86_64 "${arguments[@]}" || true
  grep -q '^layout made' "$work/console" || {
    tail -n 40 "$work/console" >&2
    echo "layout.sh: the machine did not make the layout $LAYOUT" >&2
    exit 1
  }
}

# --- the tree -------------------------------------------------------------------------------------------------
printf '%s\n' "${fstab[@]}" >"$root/etc/fstab"
mkdir -p "$root/srv" "$root/home" "$root/boot/efi"

case $LAYOUT in
  gpt-uefi)
    menu "$root_uuid" /boot
    disk 0 $((root_mib + 35)) "label: gpt
label-id: 6d696e69-0000-4000-8000-0000000000a0
start=1MiB, size=33MiB, type=uefi, name=esp, uuid=6d696e69-0000-4000-8000-0000000000a1
size=${root_mib}MiB, type=linux, name=root, uuid=6d696e69-0000-4000-8000-0000000000a2"
    truncate -s 33M "$work/esp"
    mkfs.vfat -F 32 -i 6D696E69 -n ESP "$work/esp" >/dev/null
    printf "search.fs_uuid %s root\nset prefix=(\$root)'/boot/grub'\nconfigfile \$prefix/grub.cfg\n" "$root_uuid" >"$work/grub.cfg"
    mmd -i "$work/esp" ::/EFI ::/EFI/debian
    mcopy -i "$work/esp" "$root/usr/lib/shim/shimx64.efi.signed" ::/EFI/debian/shimx64.efi
    mcopy -i "$work/esp" "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" ::/EFI/debian/grubx64.efi
    mcopy -i "$work/esp" "$work/grub.cfg" ::/EFI/debian/grub.cfg
    put "$work/esp" 0 1
    ext4 "$root" "$work/ext4" "$root_mib" "$root_uuid" mini-root
    put "$work/ext4" 0 34
    ;;
  gpt-bios)
    more_arguments="resume=/dev/sda3"
    menu "$root_uuid" /boot
    disk 0 $((root_mib + 35)) "label: gpt
label-id: 6d696e69-0000-4000-8000-0000000000b0
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=grub
size=${root_mib}MiB, type=linux, name=root, uuid=6d696e69-0000-4000-8000-0000000000b2
size=32MiB, type=swap, name=swap, uuid=6d696e69-0000-4000-8000-0000000000b3"
    bios_grub 0 2048 /boot/grub "$root_uuid"
    ext4 "$root" "$work/ext4" "$root_mib" "$root_uuid" mini-root
    put "$work/ext4" 0 2
    swap "$work/swap" 32
    put "$work/swap" 0 $((2 + root_mib))
    ;;
  lvm)
    menu "$boot_uuid" ''
    disk 0 $((root_mib + boot_mib + 64)) $'label: dos\n'"start=1MiB, size=${boot_mib}MiB, type=83, bootable"$'\ntype=8e'
    disk 1 64
    bios_grub 0 1 /grub "$boot_uuid"
    ext4 "$root/boot" "$work/boot" "$boot_mib" "$boot_uuid" mini-boot
    put "$work/boot" 0 1
    echo 'what /srv holds' >"$work/btrfs/data"
    ext4 "$work/btrfs" "$work/srv" 32 "${root_uuid%??}ff" mini-srv
    ext4 "$root" "$work/ext4" "$root_mib" "$root_uuid" mini-root
    in_machine "$work/ext4" "$work/srv"
    ;;
  luks-lvm)
    menu "$boot_uuid" ''
    disk 0 $((root_mib + boot_mib + 64)) $'label: dos\n'"start=1MiB, size=${boot_mib}MiB, type=83, bootable"$'\ntype=83'
    bios_grub 0 1 /grub "$boot_uuid"
    # The machine boots unattended: the key lies in the initramfs, as cryptsetup-initramfs packs it.
    echo 'cryptroot /dev/sda2 /etc/keys/cryptroot.key luks,initramfs' >"$root/etc/crypttab"
    install -d -m 700 "$root/etc/keys"
    printf %s "$passphrase" >"$root/etc/keys/cryptroot.key"
    chmod 600 "$root/etc/keys/cryptroot.key"
    mkdir -p "$work/image/cryptroot/keyfiles"
    echo "cryptroot UUID=$luks_uuid /cryptroot/keyfiles/cryptroot.key luks" >"$work/image/cryptroot/crypttab"
    cp -p "$root/etc/keys/cryptroot.key" "$work/image/cryptroot/keyfiles/"
    image=$root/boot/initrd.img-$release
    truncate -s %512 "$image"
    (cd "$work/image" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >>"$image"
    ext4 "$root/boot" "$work/boot" "$boot_mib" "$boot_uuid" mini-boot
    put "$work/boot" 0 1
    ext4 "$root" "$work/ext4" "$root_mib" "$root_uuid" mini-root
    in_machine "$work/ext4"
    printf %s "$passphrase" >"$out.key"
    ;;
  md)
    menu "$root_uuid" /boot
    for number in 0 1; do
      disk "$number" $((root_mib + 17)) $'label: dos\nstart=1MiB, type=fd, bootable'
      bios_grub "$number" 1 /boot/grub "$root_uuid"
    done
    swap "$root/swapfile" 8
    ext4 "$root" "$work/ext4" "$root_mib" "$root_uuid" mini-root
    in_machine "$work/ext4"
    ;;
  btrfs)
    menu "$root_uuid" /@/boot
    disk 0 $((root_mib + 65)) $'label: dos\nstart=1MiB, type=83, bootable'
    bios_grub 0 1 /@/boot/grub "$root_uuid"
    loop=$(losetup -f --show -o $mib "$work/disk-0")
    mkfs.btrfs -q -U "$root_uuid" -L mini-root "$loop"
    mount "$loop" "$work/btrfs"
    btrfs -q subvolume create "$work/btrfs/@"
    btrfs -q subvolume create "$work/btrfs/@home"
    cp -a "$root/." "$work/btrfs/@/"
    echo 'what /home holds' >"$work/btrfs/@home/data"
    umount "$work/btrfs"
    losetup -d "$loop"
    loop=
    ;;
  *)
    echo "layout.sh: unknown layout $LAYOUT (${layouts[*]})" >&2
    exit 2
    ;;
esac
# The first disk last: when it is there, all are.
for file in $(printf '%s\n' "$work"/disk-? | sort -r); do mv "$file" "$out-${file##*-}.raw"; done
