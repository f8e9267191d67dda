#!/bin/bash
# build_appliance.sh CONVERTER OUT: makes the conversion appliance in the folder OUT: vmlinuz, appliance.cpio, version.
#
# A Linux kernel of the distribution (its small "cloud" flavour), busybox, file system checkers and godwit-convert (CONVERTER). Nothing is
# installed: the kernel package is fetched from the machine's own package source once and unpacked. Nothing happens when OUT is up to date.
# GODWIT_CACHE: where the package is kept (default: .cache in the repository).
set -euo pipefail
umask 022
converter=$(realpath "$1") out=$(realpath -m "$2")
repo=$(cd "$(dirname "$0")/../../.." && pwd)
cache=${GODWIT_CACHE:-$repo/.cache}/appliance
tools=(
  /sbin/e2fsck
  /usr/sbin/xfs_repair
  /usr/bin/btrfs
  /usr/sbin/fsck.fat
  /usr/sbin/lvm
  /usr/sbin/cryptsetup
  /usr/sbin/mdadm
  /sbin/sfdisk
  /sbin/mkfs.vfat
)
# Loaded at the start.
modules=(virtio_pci virtio_blk ext4 xfs crc32c_generic crc32c_intel)
# Loaded when something asks for them; some take a second to measure their algorithms.
on_demand=(
  btrfs
  vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8
  dm_mod dm_mirror dm_crypt
  md_mod raid0 raid1 raid10 raid456 linear
  aesni_intel aes_generic xts cbc ecb essiv sha256_generic sha512_generic algif_skcipher algif_hash
)
# Windows guests: NTFS by FUSE.
tools+=(/bin/ntfs-3g /bin/ntfs-3g.probe)
modules+=(fuse)
# What the GRUB that conversion adds can read; it never loads modules of the guest's GRUB.
grub_modules=(part_msdos part_gpt fat ext2 xfs btrfs lvm diskfilter mdraid09 mdraid1x search search_fs_uuid search_fs_file search_label
  configfile normal linux test echo ls cat true sleep loadenv minicmd reboot halt gzio regexp all_video gfxterm font terminal gfxmenu png
  serial gettext legacycfg memdisk tar)
die() {
  echo "build_appliance.sh: $*" >&2
  exit 1
}
for tool in busybox cpio modprobe dpkg-deb grub-mkimage "${tools[@]}"; do
  command -v "$tool" >/dev/null || die "$tool is missing: run deploy/dev/install_packages.sh"
done

mkdir -p "$cache" "$out"
exec 9>"$cache/lock"
flock 9
package=$(find "$cache" -name 'linux-image-*.deb' | sort -V | tail -n 1)
if [[ -z $package ]]; then
  fetch() {
    local name
    name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    [[ -n $name ]] && (cd "$cache" && apt-get -q download "$name" >&2)
  }
  # The machine's list of packages may be missing or old.
  fetch || { apt-get -q update >&2 && fetch; } || die "no linux-image-cloud-amd64 from the package source of this machine"
  package=$(find "$cache" -name 'linux-image-*.deb' | sort -V | tail -n 1)
fi

grub=/usr/lib/grub
[[ -d $grub/x86_64-efi && -d $grub/i386-pc ]] || die "GRUB's images are missing: run deploy/dev/install_packages.sh"

version=$({ cat "$0" "$converter" "$(command -v busybox)" "${tools[@]}" "$grub"/*/{kernel.img,moddep.lst} && basename "$package"; } | sha256sum | cut -c1-16)
[[ -s $out/version && $(cut -d' ' -f2 "$out/version") == "$version" && -s $out/vmlinuz ]] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg-deb -x "$package" "$work/package"
[[ -d $work/package/lib/modules ]] && base=$work/package || base=$work/package/usr
release=$(basename "$base"/lib/modules/*)
depmod -b "$base" "$release"

root=$work/root
mkdir -p "$root"/{bin,sbin,lib,lib64,proc,sys,dev,mnt,modules,run,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$converter" "$root/bin/godwit-convert"
for tool in "${tools[@]}"; do
  cp -L "$tool" "$root/sbin/"
  # Libraries keep their paths, so that the loader finds them.
  ldd "$tool" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -Ln "$library" "$root$library"
  done
done
for module in "${modules[@]}"; do
  modprobe -d "$base" -S "$release" --show-depends --ignore-install "$module" 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
  case $file in
    *.xz) xz -dc "$file" >"$root/modules/$(basename "${file%.xz}")" && file=${file%.xz} ;;
    *.zst) zstd -qdc "$file" >"$root/modules/$(basename "${file%.zst}")" && file=${file%.zst} ;;
    *) cp "$file" "$root/modules/" ;;
  esac
  basename "$file"
done >"$root/modules/order"
tree=$root/lib/modules/$release
mkdir -p "$tree"
for module in "${on_demand[@]}"; do
  modprobe -d "$base" -S "$release" --show-depends --ignore-install "$module" 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
  case $file in
    *.xz) xz -dc "$file" >"$tree/$(basename "${file%.xz}")" ;;
    *.zst) zstd -qdc "$file" >"$tree/$(basename "${file%.zst}")" ;;
    *) cp "$file" "$tree/" ;;
  esac
done
cp "$base/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$tree/"
depmod -b "$root" "$release"
ln -s ../bin/busybox "$root/sbin/modprobe"
# Threads of cryptsetup end with the help of this one, which nothing names.
for library in /lib/x86_64-linux-gnu/libgcc_s.so.1; do
  mkdir -p "$root$(dirname "$library")"
  cp -Ln "$library" "$root$library"
done
# One menu for both kinds of firmware: they look for the file that the conversion put into the guest's /boot.
# It lies in an archive inside of the images: only GRUB's normal mode knows "for" and "if".
mkdir -p "$work/memdisk/boot/grub"
cat >"$work/memdisk/boot/grub/grub.cfg" <<'EOF'
for godwit_boot in /boot "" /@/boot /@rootfs/boot /root/boot; do
  if search --no-floppy --file --set=root "$godwit_boot/godwit/grub.cfg"; then
    export godwit_boot
    configfile "($root)$godwit_boot/godwit/grub.cfg"
  fi
done
echo "No menu of the migrated system was found."
EOF
tar -C "$work/memdisk" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf "$work/memdisk.tar" boot
mkdir -p "$root/usr/lib/godwit/grub"
grub-mkimage -O x86_64-efi -d "$grub/x86_64-efi" -p '(memdisk)/boot/grub' -m "$work/memdisk.tar" -o "$root/usr/lib/godwit/grub/bootx64.efi" "${grub_modules[@]}"
grub-mkimage -O i386-pc -d "$grub/i386-pc" -p '(memdisk)/boot/grub' -m "$work/memdisk.tar" -o "$root/usr/lib/godwit/grub/core.img" biosdisk "${grub_modules[@]}"
cp "$grub/i386-pc/boot.img" "$root/usr/lib/godwit/grub/"
# Which packages it was made of: kept with every conversion.
{
  dpkg-deb -W --showformat='${Package} ${Version}\n' "$package"
  for file in "$(command -v busybox)" "${tools[@]}" "$grub/x86_64-efi/moddep.lst" "$grub/i386-pc/moddep.lst" "$(command -v grub-mkimage)"; do
    owner=
    for path in "$file" "$(realpath "$file")" "/usr$file" "${file#/usr}"; do
      owner=$(dpkg-query -S "$path" 2>/dev/null | head -n 1 | sed 's/: .*//') && [[ -n $owner ]] && break
    done
    [[ -z $owner ]] || dpkg-query -W -f='${Package} ${Version}\n' "$owner"
  done
} | LC_ALL=C sort -u >"$out/packages"
cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup && mkdir /sys/fs/cgroup/scripts && {
  # Scripts may not take all of the machine.
  echo '+pids +memory' >/sys/fs/cgroup/cgroup.subtree_control
  echo 256 >/sys/fs/cgroup/scripts/pids.max
}
# Data goes to the disks when somebody asks for it, not when some time is over: their places follow from that.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 80 >/proc/sys/vm/dirty_ratio
echo 60 >/proc/sys/vm/dirty_background_ratio
while read -r module; do insmod "/modules/$module" || echo "module $module: failed"; done </modules/order
stty -F /dev/ttyS1 raw -echo
tries=0
until [ -b /dev/vda ] || [ $tries -ge 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
echo -1000 >/proc/self/oom_score_adj
godwit-convert --job /job.json --result /dev/ttyS1
echo "godwit-convert ended with status $?"
sync
poweroff -f
EOF
chmod 755 "$root/init"
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) >"$out/appliance.cpio.part"
cp "$work/package/boot/vmlinuz-$release" "$out/vmlinuz"
mv "$out/appliance.cpio.part" "$out/appliance.cpio"
echo "$release $version" >"$out/version"
