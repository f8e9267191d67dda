#!/bin/bash
# Runs inside the new tree, once, after the packages are there.
set -euo pipefail
export LC_ALL=C.UTF-8

echo mini1 >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 mini1\n' >/etc/hosts
: >/etc/machine-id

# Only what this hardware needs to find its root, on every layout: no virtio, as on a machine that was installed on ATA disks.
printf '%s\n' ata_piix ata_generic ahci sd_mod ext4 btrfs raid1 dm_mod dm_crypt aesni_intel xts vfat >>/etc/initramfs-tools/modules
# The tools of LUKS belong into the image also while no encrypted disk is configured.
echo CRYPTSETUP=y >>/etc/cryptsetup-initramfs/conf-hook
# The array of the layout "md"; see layout.sh.
printf 'HOMEHOST <system>\nARRAY /dev/md0 metadata=1.2 UUID=6d696e69:00000000:00000000:00000001\n' >/etc/mdadm/mdadm.conf
rm -f /etc/initramfs-tools/update-initramfs.conf
printf 'update_initramfs=yes\nbackup_initramfs=no\n' >/etc/initramfs-tools/update-initramfs.conf
update-initramfs -c -k all

systemctl enable systemd-networkd.service mini-web.service
# What takes time at a boot and is of no use here.
systemctl mask systemd-networkd-wait-online.service systemd-timesyncd.service systemd-logind.service \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-journal-flush.service systemd-random-seed.service \
  systemd-pstore.service systemd-sysusers.service systemd-binfmt.service systemd-machine-id-commit.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer mdmonitor.service lvm2-monitor.service \
  modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service kmod-static-nodes.service getty@tty1.service
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /tmp/*.log
