#!/bin/bash
# guest_image.sh: prints the path of the disk of the small guest (tests/support/images/guest); builds it when the cache has none for
# the present scripts (seconds). PATH.host_key is its host key; the key of the source machines logs in.
# The disk is read only by contract: run machines on copies. Cache: $GODWIT_CACHE, or .cache in the repository.
set -euo pipefail
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "$0")/lib.sh"
recipe=$REPO/tests/support/images/guest
appliance=$REPO/services/conversion/appliance/build_appliance.sh
need dpkg-deb depmod cpio zstd grub-mkimage sfdisk mkfs.vfat mcopy dropbearkey busybox

mkdir -p "$CACHE/images"
exec 9>"$CACHE/images/guest.lock"
flock 9 # two callers build once
key=$(source_key)
# The kernel is the one of conversion's appliance; making such a machine fetches it.
"$appliance" "$REPO/tests/support/images/mini/in_machine.sh" "$CACHE/images/mini-machine" >&2 9>&-
package=$(find "$CACHE/appliance" -name 'linux-image-*.deb' | sort -V | tail -n 1)
id=$({ cat "$recipe"/*.sh "$key.pub" /usr/sbin/{qemu-ga,dropbear} && basename "$package"; } | sha256sum | cut -c1-16)
image=$CACHE/images/guest-$id.raw
if [[ ! -s $image ]]; then
  say "building the disk of the small guest ..."
  rm -f "$CACHE"/images/guest-*.raw*
  "$recipe/build_disk.sh" "$package" "$(cat "$key.pub")" "$image" >"$CACHE/images/guest.log" 2>&1 9>&- || {
    tail -n 30 "$CACHE/images/guest.log" >&2
    die "building the disk failed; the whole log: $CACHE/images/guest.log"
  }
fi
printf '%s\n' "$image"
