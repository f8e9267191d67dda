#!/bin/busybox sh
# Runs inside of a machine like the conversion appliance, as its only program: makes what the host cannot (LVM, LUKS, md) on the
# disks /dev/vda... and copies a file system from the last disk into it. What the host reads of it is the line "layout made".
exec >/dev/console 2>&1
. /layout
set -ex
lv() {
  command=$1
  shift
  lvm "$command" --config 'activation{udev_sync=0 udev_rules=0}' -y "$@"
}
case $LAYOUT in
  lvm)
    lv pvcreate -q /dev/vda2 /dev/vdb
    lv vgcreate -q vg0 /dev/vda2 /dev/vdb
    lv lvcreate -q -W n -Z n -L "${root_mib}M" -n root vg0 /dev/vda2
    lv lvcreate -q -W n -Z n -i 2 -L 32M -n srv vg0
    lvm vgscan --mknodes --config 'activation{udev_sync=0 udev_rules=0}'
    cat /dev/vdc >/dev/mapper/vg0-root
    cat /dev/vdd >/dev/mapper/vg0-srv
    lv vgchange -an vg0
    ;;
  luks-lvm)
    printf %s "$passphrase" | cryptsetup luksFormat -q --type luks2 --uuid "$luks_uuid" --pbkdf pbkdf2 \
      --pbkdf-force-iterations 1000 --key-file=- /dev/vda2
    printf %s "$passphrase" | cryptsetup open --key-file=- /dev/vda2 cryptroot
    lv pvcreate -q /dev/mapper/cryptroot
    lv vgcreate -q vg-crypt /dev/mapper/cryptroot
    lv lvcreate -q -W n -Z n -L "${root_mib}M" -n root vg-crypt
    lv lvcreate -q -W n -Z n -L 32M -n swap vg-crypt
    lvm vgscan --mknodes --config 'activation{udev_sync=0 udev_rules=0}'
    cat /dev/vdb >/dev/mapper/vg--crypt-root
    mkswap /dev/mapper/vg--crypt-swap
    lv vgchange -an vg-crypt
    cryptsetup close cryptroot
    ;;
  md)
    mdadm --create /dev/md0 --metadata=1.2 --level=1 --raid-devices=2 --assume-clean --uuid="$md_uuid" --homehost=any --run \
      /dev/vda1 /dev/vdb1
    cat /dev/vdc >/dev/md0
    sync
    mdadm --stop /dev/md0
    ;;
esac
sync
echo layout made
