// SUSE. Sources: SLES 11, 12 and 15 Administration Guides (boot loader, /etc/sysconfig/kernel,
// wicked and ifcfg(5)), ifroute(5), mkinitrd(8), dracut(8).
#include "absl/strings/str_cat.h"
#include "tests/support/phony/families.h"

namespace godwit::testing {
namespace {

void Network(PhonyGuest& guest) {
  guest
      .Put("etc/sysconfig/network/ifcfg-eth0",
           "BOOTPROTO='static'\nIPADDR='10.1.2.3/24'\nSTARTMODE='auto'\n")
      .Put("etc/sysconfig/network/routes", "default 10.1.2.1 - -\n")
      .Put("etc/sysconfig/network/config", "NETCONFIG_DNS_STATIC_SERVERS=\"10.1.2.2\"\n");
}

void Grub2(PhonyGuest& guest, const std::string& release, const std::string& root) {
  guest
      .Put(
          "boot/grub2/grub.cfg",
          absl::StrCat("set default=\"0\"\nmenuentry 'SLES' --class os {\n  linux /boot/vmlinuz-",
                       release, " root=", root,
                       " resume=/dev/sda3 splash=silent\n  initrd /boot/initrd-", release, "\n}\n"))
      .Put("etc/default/grub",
           "GRUB_TIMEOUT=8\nGRUB_CMDLINE_LINUX=\"\"\n"
           "GRUB_CMDLINE_LINUX_DEFAULT=\"resume=/dev/sda3 splash=silent\"\n")
      .Put("usr/bin/dracut", "")
      .Put("sbin/mkinitrd", "#!/bin/bash\n# calls dracut\n")
      .Put("usr/lib/systemd/systemd", "")
      .Put("usr/lib/systemd/systemd-udevd", "");
}

}  // namespace

void Sles11(PhonyGuest& guest) {
  for (const std::string flavour : {"default", "xen"}) {
    const std::string release = "3.0.101-108-" + flavour;
    guest.Add({.release = release,
               .image = "boot/vmlinuz-" + release,
               .initramfs = "boot/initrd-" + release,
               .names = {"virtio_pci", "virtio_blk", "virtio_net", "ahci", "e1000e"}});
  }
  guest
      .Put("etc/SuSE-release",
           "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n")
      .Put("etc/fstab", "/dev/sda2 / ext3 acl,user_xattr 1 1\n/dev/sda3 swap swap defaults 0 0\n")
      .Put("boot/grub/menu.lst",
           "default 1\ntimeout 8\ntitle SUSE Linux Enterprise Server 11 SP4\n"
           "    root (hd0,1)\n    kernel /boot/vmlinuz-3.0.101-108-default root=/dev/sda2 "
           "resume=/dev/sda3 splash=silent\n    initrd /boot/initrd-3.0.101-108-default\n"
           "title Xen\n    root (hd0,1)\n    kernel /boot/xen.gz\n"
           "    module /boot/vmlinuz-3.0.101-108-xen root=/dev/sda2\n"
           "    module /boot/initrd-3.0.101-108-xen\n")
      .Put("boot/grub/device.map", "(hd0)\t/dev/sda\n")
      .Put("sbin/mkinitrd", "")
      .Put("etc/sysconfig/kernel", "INITRD_MODULES=\"mptspi ata_piix\"\nDOMU_INITRD_MODULES=\"\"\n")
      .Put("sbin/agetty", "")
      .Put("sbin/udevd", "")
      .Put("lib/udev/rules.d/75-persistent-net-generator.rules", "")
      .Put("etc/inittab",
           "id:3:initdefault:\n1:2345:respawn:/sbin/mingetty --noclear tty1\n"
           "#S0:12345:respawn:/sbin/agetty -L 9600 ttyS0 vt102\n")
      .Put("etc/securetty", "tty1\ntty2\n")
      .Put("etc/init.d/xe-linux-distribution", "#!/bin/sh\n", 0755)
      .Link("etc/init.d/rc3.d/S02xe-linux-distribution", "../xe-linux-distribution")
      .Link("etc/init.d/rc3.d/K01xe-linux-distribution", "../xe-linux-distribution");
  Network(guest);
}

void Sles12(PhonyGuest& guest) {
  const std::string release = "4.12.14-122.37-default";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd-" + release});
  Grub2(guest, release, "/dev/sda2");
  Network(guest);
  guest
      .Put("etc/os-release",
           "NAME=\"SLES\"\nVERSION_ID=\"12.5\"\nID=\"sles\"\n"
           "PRETTY_NAME=\"SUSE Linux Enterprise Server 12 SP5\"\n")
      .Put("etc/fstab",
           "/dev/sda2 / btrfs defaults 0 0\n/dev/sda2 /var btrfs subvol=@/var 0 0\n"
           "/dev/sda3 swap swap defaults 0 0\n")
      .Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "")
      .Put("usr/lib/systemd/system/hv_kvp_daemon.service", "[Service]\n");
}

void Sles15(PhonyGuest& guest) {
  const std::string release = "6.4.0-150600.21-default";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd-" + release,
             .ending = ".ko.zst",
             .modules = "usr/lib/modules"});
  Grub2(guest, release, absl::StrCat("UUID=", kPhonyRootUuid));
  Network(guest);
  guest
      .Put("etc/os-release",
           "NAME=\"SLES\"\nVERSION_ID=\"15.6\"\nID=\"sles\"\n"
           "PRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP6\"\n")
      .Put("etc/fstab",
           absl::StrCat("UUID=", kPhonyRootUuid, " / btrfs defaults 0 0\nUUID=", kPhonyRootUuid,
                        " /.snapshots btrfs subvol=/@/.snapshots 0 0\n"))
      .Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "")
      .Put("etc/udev/rules.d/70-persistent-net.rules",
           "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
           "ATTR{address}==\"00:50:56:ab:00:01\", NAME=\"eth0\"\n");
}

void OpenSuse15(PhonyGuest& guest) {
  const std::string release = "6.4.0-150600.23-default";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd-" + release,
             .ending = ".ko.zst",
             .modules = "usr/lib/modules"});
  Grub2(guest, release, "/dev/sda2");
  guest
      .Put("etc/os-release",
           "NAME=\"openSUSE Leap\"\nVERSION_ID=\"15.6\"\nID=\"opensuse-leap\"\n"
           "PRETTY_NAME=\"openSUSE Leap 15.6\"\n")
      .Put("etc/fstab", absl::StrCat("UUID=", kPhonyRootUuid, " / ext4 defaults 0 1\n"))
      .Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "")
      .Put("etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n");
}

}  // namespace godwit::testing
