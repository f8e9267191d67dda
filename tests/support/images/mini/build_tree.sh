#!/bin/bash
# build_tree.sh OUT.tar: a small Debian 12 that boots quickly from any disk layout: systemd, the generic kernel, LVM, LUKS, md,
# Btrfs, both boot loaders, a page on port 80. Its initramfs has no virtio driver.
# Packages come from the mirror that this machine's own apt is configured with. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

packages=(systemd-sysv udev kmod iproute2 busybox-static linux-image-amd64 initramfs-tools zstd lvm2 cryptsetup-initramfs mdadm
  btrfs-progs e2fsprogs dosfstools grub2-common grub-pc-bin grub-efi-amd64-bin grub-efi-amd64-signed shim-signed)
excluded=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/lintian/*' '/usr/share/i18n/*'
  '/usr/share/zoneinfo/*' '/usr/share/bash-completion/*' '/usr/lib/udev/hwdb.d/*' '/lib/udev/hwdb.d/*' '/usr/lib/grub/*/*.module'
  '/usr/lib/grub/*/monolithic/*' '/usr/lib/grub/*-signed/g*net*' '/usr/lib/grub/*-signed/gcd*')
# Of the kernel's drivers, those of the hardware that the tests know.
for drivers in accel android bluetooth comedi edac gpu hid iio infiniband input isdn leds media misc mmc mtd platform power staging \
  thunderbolt usb video w1 net/wireless net/can net/usb net/ethernet scsi/lpfc scsi/qla2xxx scsi/bfa; do
  excluded+=("/lib/modules/*/kernel/drivers/$drivers/*")
done
excluded+=('/lib/modules/*/kernel/sound/*' '/lib/modules/*/kernel/net/*' '/lib/modules/*/kernel/fs/ocfs2/*' '/lib/modules/*/kernel/fs/nfs*'
  '/lib/modules/*/kernel/fs/smb/*' '/lib/modules/*/kernel/arch/x86/kvm/*' '/lib/modules/*/kernel/lib/test_*')
included=('/lib/modules/*/kernel/net/core/*' '/lib/modules/*/kernel/net/packet/*' '/lib/modules/*/kernel/net/llc/*' '/lib/modules/*/kernel/net/802/*'
  '/lib/modules/*/kernel/drivers/net/ethernet/intel/*' '/lib/modules/*/kernel/drivers/net/ethernet/amazon/*')

work=$(mktemp -d "$(dirname "$out")/mini.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
python3 "$here/../source/apt_sources.py" >"$work/sources.list"
apt-config dump --format '%f "%v";%n' Acquire::http Acquire::https >"$work/apt.conf" 2>/dev/null || true
options=(--mode=root --variant=minbase --format=tar --quiet --include="$(IFS=,; echo "${packages[*]}")"
  --dpkgopt=force-confold --aptopt="$work/apt.conf" --aptopt='APT::Install-Recommends "false"')
for pattern in "${excluded[@]}"; do options+=("--dpkgopt=path-exclude=$pattern"); done
for pattern in "${included[@]}"; do options+=("--dpkgopt=path-include=$pattern"); done
# The initramfs is made once, by setup.sh.
options+=(
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"'
  --essential-hook='printf "MODULES=list\nRESUME=none\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/hardware"'
  --essential-hook='echo "update_initramfs=no" >"$1/etc/initramfs-tools/update-initramfs.conf"'
  --customize-hook="cp -R --preserve=mode '$here/files/.' \"\$1/\""
  --customize-hook="cp '$here/setup.sh' \"\$1/tmp/setup.sh\""
  --customize-hook='chroot "$1" bash /tmp/setup.sh && rm "$1/tmp/setup.sh"')
mmdebstrap "${options[@]}" bookworm "$work/tree.tar" - <"$work/sources.list"
mv "$work/tree.tar" "$out"
