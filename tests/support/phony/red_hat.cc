// Red Hat and what is made from it. Sources: Deployment Guide of 6 and System Administrator's Guide
// of 7 (chapters on GRUB, ifcfg files, dracut), sysconfig.txt of initscripts, 9's guides on BLS
// entries, NetworkManager keyfiles and the LVM devices file, Fedora's
// Changes/BootLoaderSpecByDefault.
#include "absl/strings/str_cat.h"
#include "tests/support/phony/families.h"

namespace godwit::testing {
namespace {

constexpr char kSelinux[] = "SELINUX=enforcing\nSELINUXTYPE=targeted\n";

// What 9 and Fedora have in common.
void Modern(PhonyGuest& guest, const std::string& release, const std::string& machine) {
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = absl::StrCat("boot/initramfs-", release, ".img"),
             .ending = ".ko.xz",
             .modules = "usr/lib/modules"});
  guest.Put("etc/machine-id", machine + "\n")
      .Put("usr/bin/dracut", "")
      .Put("usr/lib/systemd/systemd", "")
      .Put("usr/lib/systemd/systemd-udevd", "")
      .Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "")
      .Put("etc/selinux/config", kSelinux);
}

}  // namespace

void Centos6(PhonyGuest& guest) {
  const std::string release = "2.6.32-754.el6.x86_64";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = absl::StrCat("boot/initramfs-", release, ".img"),
             .names = {"virtio_pci", "virtio_blk", "virtio_net", "ahci", "e1000e"}});
  guest.Put("etc/redhat-release", "CentOS release 6.10 (Final)\n")
      .Put("etc/fstab",
           "/dev/sda2 / ext4 defaults 1 1\n/dev/sda1 /boot ext4 defaults 1 2\n"
           "/dev/sda3 swap swap defaults 0 0\ntmpfs /dev/shm tmpfs defaults 0 0\n")
      .Put("boot/grub/grub.conf",
           absl::StrCat("default=0\ntimeout=5\ntitle CentOS (", release,
                        ")\n\troot (hd0,0)\n\tkernel /vmlinuz-", release,
                        " ro root=/dev/sda2 rhgb quiet\n\tinitrd /initramfs-", release, ".img\n"))
      .Link("boot/grub/menu.lst", "./grub.conf")
      .Put("boot/grub/device.map", "(hd0)     /dev/sda\n")
      .Put("etc/dracut.conf", "# modules to load\n")
      .Put("sbin/dracut", "")
      .Put("sbin/initctl", "")
      .Put("etc/init/rc.conf", "start on runlevel [0123456]\n")
      .Put("etc/init/serial.conf", "stop on runlevel [S016]\ninstance $DEV\n")
      .Put("etc/inittab", "id:3:initdefault:\n")
      .Put("etc/securetty", "console\ntty1\n")
      .Put("etc/selinux/config", kSelinux)
      .Put("etc/blkid/blkid.tab", "<device DEVNO=\"0x0802\">/dev/sda2</device>\n")
      .Put("sbin/udevd", "")
      .Put("lib/udev/rules.d/75-persistent-net-generator.rules", "")
      .Put("etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=shop\n")
      .Put("etc/sysconfig/network-scripts/ifcfg-eth0",
           "DEVICE=eth0\nHWADDR=00:50:56:AB:00:01\nTYPE=Ethernet\nONBOOT=yes\nBOOTPROTO=none\n"
           "IPADDR=10.1.2.3\nNETMASK=255.255.255.0\nGATEWAY=10.1.2.1\n")
      .Put("etc/udev/rules.d/70-persistent-net.rules",
           "# PCI device 0x15ad:0x07b0 (vmxnet3)\nSUBSYSTEM==\"net\", ACTION==\"add\", "
           "DRIVERS==\"?*\", ATTR{address}==\"00:50:56:ab:00:01\", ATTR{type}==\"1\", "
           "KERNEL==\"eth*\", NAME=\"eth0\"\n")
      // VMware's tarball.
      .Put("etc/vmware-tools/locations", "")
      .Put(
          "etc/init/vmware-tools.conf",
          "start on (runlevel [2345] and\n  started network)\nexec /etc/vmware-tools/services.sh\n")
      .Put("etc/modprobe.d/vmware.conf", "blacklist virtio_net\nblacklist floppy\n");
}

void Centos7(PhonyGuest& guest) {
  const std::string release = "3.10.0-1160.el7.x86_64";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = absl::StrCat("boot/initramfs-", release, ".img"),
             .ending = ".ko.xz",
             .modules = "usr/lib/modules"});
  // Made for diagnosis, with all its drivers inside.
  guest.Put("boot/vmlinuz-0-rescue-0123456789abcdef0123456789abcdef", "kernel")
      .Put("boot/initramfs-0-rescue-0123456789abcdef0123456789abcdef.img", PhonyInitramfs())
      .Put("etc/os-release",
           "NAME=\"CentOS Linux\"\nID=\"centos\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux "
           "7\"\n")
      .Put("etc/fstab", "/dev/sda2 / xfs defaults 0 0\n/dev/sda3 swap swap defaults 0 0\n")
      .Put("boot/grub2/grub.cfg",
           absl::StrCat("set default=\"${saved_entry}\"\nmenuentry 'CentOS Linux (", release,
                        ") 7 (Core)' --class centos $menuentry_id_option 'gnulinux-7' {\n"
                        "\tlinux16 /boot/vmlinuz-",
                        release, " root=/dev/sda2 ro crashkernel=auto\n\tinitrd16 /boot/initramfs-",
                        release, ".img\n}\n"))
      .Put("boot/grub2/grubenv",
           absl::StrCat("# GRUB Environment Block\nsaved_entry=CentOS Linux (", release,
                        ") 7 (Core)\n", std::string(930, '#')))
      .Put("boot/grub2/device.map", "(hd0)      /dev/sda\n")
      .Put("etc/default/grub",
           "GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"crashkernel=auto quiet\"\n")
      .Put("usr/sbin/dracut", "")
      .Put("usr/lib/systemd/systemd", "")
      .Put("usr/lib/systemd/systemd-udevd", "")
      .Put("usr/lib/udev/rules.d/80-net-name-slot.rules", "")
      .Put("etc/securetty", "console\ntty1\nttyS0\n")
      .Put("etc/selinux/config", "SELINUX=permissive\nSELINUXTYPE=targeted\n")
      .Put("etc/sysconfig/network-scripts/ifcfg-ens192",
           "TYPE=Ethernet\nBOOTPROTO=dhcp\nNAME=ens192\nDEVICE=ens192\nONBOOT=yes\n")
      .Put("usr/lib/systemd/system/vmtoolsd.service", "[Service]\n")
      .Put("usr/lib/systemd/system/vgauthd.service", "[Service]\n")
      .Link("etc/systemd/system/multi-user.target.wants/vmtoolsd.service",
            "/usr/lib/systemd/system/vmtoolsd.service");
}

void Rocky9(PhonyGuest& guest) {
  const std::string release = "5.14.0-427.13.1.el9_4.x86_64", machine(32, 'a');
  const std::string entry = absl::StrCat("boot/loader/entries/", machine, "-", release, ".conf");
  Modern(guest, release, machine);
  guest
      .Put("etc/os-release",
           "NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID=\"9.4\"\n"
           "PRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n")
      .Put("etc/fstab", absl::StrCat("UUID=", kPhonyRootUuid,
                                     " / xfs defaults 0 0\nUUID=C0FE-0001 /boot/efi vfat "
                                     "umask=0077 0 2\n/dev/sda3 none swap defaults 0 0\n"))
      .Put("boot/efi/EFI/rocky/shimx64.efi", "signed")
      .Put("boot/efi/EFI/rocky/grub.cfg",
           absl::StrCat("search --no-floppy --fs-uuid --set=dev ", kPhonyRootUuid,
                        "\nset prefix=($dev)/boot/grub2\nconfigfile $prefix/grub.cfg\n"))
      .Put("boot/grub2/grub.cfg", "set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n")
      .Put("boot/grub2/grubenv", absl::StrCat("# GRUB Environment Block\nsaved_entry=", machine,
                                              "-", release, "\n", std::string(900, '#')))
      .Put(entry, absl::StrCat("title Rocky Linux\nversion ", release, "\nlinux /boot/vmlinuz-",
                               release, "\ninitrd /boot/initramfs-", release,
                               ".img $tuned_initrd\noptions root=/dev/sda2 ro resume=/dev/sda3 "
                               "$tuned_params\ngrub_users $grub_users\ngrub_class rocky\n"))
      .Put("etc/default/grub", "GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX=\"resume=/dev/sda3\"\n")
      .Put("etc/kernel/cmdline", "root=/dev/sda2 ro resume=/dev/sda3\n")
      .Put("etc/lvm/devices/system.devices",
           "IDTYPE=sys_wwid IDNAME=naa.6000c29 DEVNAME=/dev/sda3 PVID=x PART=3\n")
      .Put("etc/NetworkManager/system-connections/ens192.nmconnection",
           "[connection]\nid=ens192\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\n"
           "mac-address=00:50:56:AB:00:01\n\n[ipv4]\naddress1=10.1.2.3/24,10.1.2.1\n"
           "dns=10.1.2.2;\nmethod=manual\n\n[ipv6]\nmethod=auto\n",
           0600)
      .Put("usr/bin/qemu-ga", "")
      .Put("usr/lib/systemd/system/qemu-guest-agent.service", "[Service]\n")
      .Put("usr/lib/systemd/system/hypervkvpd.service", "[Service]\n");
}

void Fedora40(PhonyGuest& guest) {
  const std::string release = "6.8.5-301.fc40.x86_64", machine(32, 'f');
  Modern(guest, release, machine);
  guest
      .Put("etc/os-release",
           "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=40\nPRETTY_NAME=\"Fedora Linux 40\"\n")
      .Put("etc/fstab",
           absl::StrCat("UUID=", kPhonyRootUuid, " / btrfs subvol=root,compress=zstd:1 0 0\nUUID=",
                        kPhonyRootUuid, " /home btrfs subvol=home 0 0\nUUID=", kPhonyBootUuid,
                        " /boot ext4 defaults 1 2\n"))
      .Put("boot/grub2/grub.cfg", "set default=\"${saved_entry}\"\nblscfg\n")
      .Put(absl::StrCat("boot/loader/entries/", machine, "-", release, ".conf"),
           absl::StrCat("title Fedora Linux\nversion ", release, "\nlinux /vmlinuz-", release,
                        "\ninitrd /initramfs-", release, ".img\noptions root=UUID=", kPhonyRootUuid,
                        " ro rootflags=subvol=root rhgb quiet\n"))
      .Put("etc/default/grub", "GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX=\"rhgb quiet\"\n")
      .Put("usr/lib/systemd/system/vboxservice.service", "[Service]\n")
      .Link("etc/systemd/system/multi-user.target.wants/vboxservice.service",
            "/usr/lib/systemd/system/vboxservice.service");
}

}  // namespace godwit::testing
