#!/bin/bash
# build_tree.sh OUT.tar PUBLIC_KEY: a Debian 12 server as a tree: generic kernel, GRUB, nginx, PostgreSQL with rows, ssh.
# Packages come from the mirror that this machine's own apt is configured with. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1 public_key=$2
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

packages=(systemd-sysv udev dbus kmod ifupdown isc-dhcp-client iproute2 openssh-server ca-certificates
  linux-image-amd64 initramfs-tools zstd grub-pc e2fsprogs xfsprogs
  nginx-light postgresql-15 libdbd-pg-perl procps)
# Left out to keep the disk small: a machine streams all of it through an emulated processor.
excluded=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/lintian/*'
  '/usr/share/i18n/*' '/usr/lib/udev/hwdb.d/*' '/lib/udev/hwdb.d/*' '/usr/lib/postgresql/*/bitcode/*'
  '/lib/modules/*/kernel/drivers/gpu/*' '/lib/modules/*/kernel/drivers/media/*'
  '/lib/modules/*/kernel/drivers/infiniband/*' '/lib/modules/*/kernel/drivers/net/wireless/*'
  '/lib/modules/*/kernel/drivers/staging/*' '/lib/modules/*/kernel/drivers/isdn/*'
  '/lib/modules/*/kernel/drivers/iio/*' '/lib/modules/*/kernel/sound/*')

work=$(mktemp -d "$(dirname "$out")/tree.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

python3 "$here/apt_sources.py" >"$work/sources.list"
apt-config dump --format '%f "%v";%n' Acquire::http Acquire::https >"$work/apt.conf" 2>/dev/null || true
options=(--mode=root --variant=minbase --format=tar --quiet
  --include="$(IFS=,; echo "${packages[*]}")" --aptopt="$work/apt.conf"
  --aptopt='APT::Install-Recommends "false"')
for pattern in "${excluded[@]}"; do options+=("--dpkgopt=path-exclude=$pattern"); done
options+=(
  # GRUB is put on the disk by build_disk.sh; the kernel's own initramfs is made by setup.sh.
  --essential-hook='echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections'
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"'
  --essential-hook='printf "MODULES=list\nRESUME=none\n" >"$1/etc/initramfs-tools/conf.d/hardware"'
  --customize-hook="cp -R --preserve=mode '$here/files/.' \"\$1/\""
  --customize-hook="cp '$here/setup.sh' \"\$1/tmp/setup.sh\""
  --customize-hook="chroot \"\$1\" bash /tmp/setup.sh '$public_key'"
  --customize-hook='rm "$1/tmp/setup.sh"')
mmdebstrap "${options[@]}" bookworm "$work/tree.tar" - <"$work/sources.list"
mv "$work/tree.tar" "$out"
