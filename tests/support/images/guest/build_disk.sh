#!/bin/bash
# build_disk.sh KERNEL.deb PUBLIC_KEY OUT.raw: the disk of the small guest, a real kernel with busybox, QEMU's guest agent and an SSH
# server in its initramfs: MBR, GRUB by BIOS, one FAT partition with vmlinuz, initrd and grub/grub.cfg (tests replace that).
# OUT.host_key is the line of its host key for known_hosts. Needs no root.
set -euo pipefail
package=$1 public_key=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8
programs=(/usr/sbin/qemu-ga /usr/sbin/dropbear)
modules=(virtio_pci virtio_net virtio_console)

work=$(mktemp -d "$(dirname "$out")/guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/package"
dpkg-deb --fsys-tarfile "$package" | tar -C "$work/package" -x --wildcards '*/boot/vmlinuz-*' '*/kernel/drivers/virtio/*' \
  '*/kernel/drivers/net/*virtio*' '*/kernel/drivers/net/*failover*' '*/kernel/net/core/*' '*/kernel/drivers/char/virtio*' '*/modules.*'
release=$(basename "$work"/package/lib/modules/*)
depmod -b "$work/package" "$release"

root=$work/root
mkdir -p "$root"/{bin,sbin,lib64,proc,sys,dev,run,tmp,var/run,modules,www,etc/dropbear,root/.ssh}
cp "$(command -v busybox)" "$root/bin/busybox"
install -m 755 "$here/init.sh" "$root/init"
for program in "${programs[@]}"; do
  cp -L "$program" "$root/sbin/"
  # Libraries keep their paths, so that the loader finds them.
  ldd "$program" | grep -o '/[^ ]*' | xargs cp -Ln --parents -t "$root"
done
for module in "${modules[@]}"; do
  modprobe -d "$work/package" -S "$release" --show-depends --ignore-install "$module"
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
  cp "$file" "$root/modules/"
  basename "$file"
done >"$root/modules/order"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo /bin/sh >"$root/etc/shells"
echo '<p>the page of the small guest</p>' >"$root/www/index.html"
dropbearkey -t ed25519 -f "$root/etc/dropbear/key" 2>/dev/null | awk '$1 == "ssh-ed25519" {print $1, $2}' >"$work/host_key"
[[ -s $work/host_key ]]
printf '%s\n' "$public_key" >"$root/root/.ssh/authorized_keys"
chmod 700 "$root/root" "$root/root/.ssh"
chmod 600 "$root/root/.ssh/authorized_keys"
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | zstd -q -9 >"$work/initrd"

# GRUB as it is made expects its core behind the first sector.
grub=/usr/lib/grub/i386-pc
grub-mkimage -d "$grub" -O i386-pc -p '(hd0,msdos1)/grub' -o "$work/core" biosdisk part_msdos fat normal configfile linux echo minicmd
disk=$work/disk
truncate -s 48M "$disk"
sfdisk -q "$disk" <<<$'label: dos\nstart=1MiB, type=c, bootable'
mkfs.vfat -F 32 -n GUEST --offset 2048 "$disk" $((47 * 1024)) >/dev/null
dd if="$grub/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/core" of="$disk" bs=512 seek=1 conv=notrunc status=none
mmd -i "$disk@@1M" ::/grub
mcopy -i "$disk@@1M" "$work/package/boot/vmlinuz-$release" ::/vmlinuz
mcopy -i "$disk@@1M" "$work/initrd" ::/initrd
mv "$work/host_key" "$out.host_key"
mv "$disk" "$out"
