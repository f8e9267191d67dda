# What the disks of the mini machine are called, by layout. Sourced by layout.sh; LAYOUT is set.
# shellcheck shell=bash disable=SC2034
layouts=(gpt-uefi gpt-bios lvm luks-lvm md btrfs)
index=0
for name in "${layouts[@]}"; do
  [[ $name == "$LAYOUT" ]] && break
  index=$((index + 1))
done
# Fixed, so that one initramfs serves every layout.
root_uuid=6d696e69-0000-4000-8000-0000000000${index}1
boot_uuid=6d696e69-0000-4000-8000-0000000000${index}2
luks_uuid=6d696e69-0000-4000-8000-0000000000${index}3
md_uuid=6d696e69:00000000:00000000:00000001
passphrase='the key of the mini machine'
root_mib=448 boot_mib=96

# root=, the arguments behind it, and what is mounted.
case $LAYOUT in
  gpt-uefi)
    root_name=/dev/sda2
    fstab=("PARTUUID=6d696e69-0000-4000-8000-0000000000a2 / ext4 errors=remount-ro 0 1"
      "/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part1 /boot/efi vfat umask=0077 0 1")
    ;;
  gpt-bios)
    root_name=/dev/disk/by-path/pci-0000:00:01.1-ata-1-part2
    fstab=("$root_name / ext4 errors=remount-ro 0 1"
      "/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001-part3 none swap sw 0 0")
    ;;
  lvm)
    root_name=/dev/mapper/vg0-root
    fstab=("$root_name / ext4 errors=remount-ro 0 1" "/dev/sda1 /boot ext4 defaults 0 2"
      "/dev/vg0/srv /srv ext4 defaults 0 2")
    ;;
  luks-lvm)
    root_name=/dev/mapper/vg--crypt-root
    fstab=("$root_name / ext4 errors=remount-ro 0 1" "LABEL=mini-boot /boot ext4 defaults 0 2"
      "/dev/mapper/vg--crypt-swap none swap sw 0 0")
    ;;
  md)
    root_name=/dev/md0
    fstab=("$root_name / ext4 errors=remount-ro 0 1" "/swapfile none swap sw 0 0")
    ;;
  btrfs)
    root_name=/dev/sda1
    more_arguments=rootflags=subvol=@
    fstab=("$root_name / btrfs subvol=@ 0 0" "$root_name /home btrfs subvol=@home 0 0")
    ;;
esac
