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
die() {
  echo "build_appliance.sh: $*" >&2
  exit 1
}
for tool in busybox cpio modprobe dpkg-deb "${tools[@]}"; do
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

version=$({ cat "$0" "$converter" "$(command -v busybox)" "${tools[@]}" && basename "$package"; } | sha256sum | cut -c1-16)
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
cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
while read -r module; do insmod "/modules/$module" || echo "module $module: failed"; done </modules/order
stty -F /dev/ttyS1 raw -echo
tries=0
until [ -b /dev/vda ] || [ $tries -ge 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
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
