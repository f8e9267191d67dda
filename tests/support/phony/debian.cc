// Debian and Ubuntu. Sources: Debian Reference (chapters 3 and 5), interfaces(5),
// initramfs-tools(7), update-grub(8), netplan(5), cloud-init's documentation, Ubuntu's
// SerialConsoleHowto and UpstartEventSystem.
#include "absl/strings/str_cat.h"
#include "tests/support/phony/families.h"

namespace godwit::testing {
namespace {

void Grub(PhonyGuest& guest, const std::string& release, const std::string& name) {
  guest
      .Put("boot/grub/grub.cfg",
           absl::StrCat("if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n"
                        "   set default=\"0\"\nfi\nmenuentry '",
                        name, "' --class os {\n\tlinux\t/boot/vmlinuz-", release,
                        " root=/dev/sda2 ro quiet\n\tinitrd\t/boot/initrd.img-", release,
                        "\n}\nsubmenu 'Advanced options' {\n\tmenuentry '", name, ", with Linux ",
                        release, "' {\n\t\tlinux\t/boot/vmlinuz-", release,
                        " root=/dev/sda2 ro quiet\n\t\tinitrd\t/boot/initrd.img-", release,
                        "\n\t}\n}\n"))
      .Put("etc/default/grub",
           "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"
           "GRUB_CMDLINE_LINUX=\"\"\n");
}

void Initramfs(PhonyGuest& guest) {
  guest.Put("etc/initramfs-tools/initramfs.conf", "MODULES=most\n")
      .Put("etc/initramfs-tools/modules", "# List of modules that you want to include\n")
      .Put("usr/sbin/mkinitramfs", "");
}

void Systemd(PhonyGuest& guest, const std::string& prefix) {
  guest.Put(prefix + "lib/systemd/systemd", "")
      .Put(prefix + "lib/systemd/systemd-udevd", "")
      .Put(prefix + "lib/udev/rules.d/80-net-setup-link.rules", "");
}

void Debian(PhonyGuest& guest, int version, const std::string& release) {
  const bool merged = version >= 12;
  const std::string prefix = merged ? "usr/" : "", number = absl::StrCat(version);
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd.img-" + release,
             .modules = prefix + "lib/modules"});
  Grub(guest, release, "Debian GNU/Linux");
  Initramfs(guest);
  Systemd(guest, prefix);
  guest
      .Put("etc/os-release", absl::StrCat("PRETTY_NAME=\"Debian GNU/Linux ", number,
                                          "\"\nNAME=\"Debian GNU/Linux\"\n"
                                          "VERSION_ID=\"",
                                          number, "\"\nID=debian\n"))
      .Put("etc/debian_version", number + ".0\n")
      .Put("etc/fstab",
           "/dev/sda2 / ext4 errors=remount-ro 0 1\n/dev/sda3 none swap sw 0 0\n"
           "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n")
      .Put("etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda3\n");
}

}  // namespace

void Debian9(PhonyGuest& guest) {
  Debian(guest, 9, "4.9.0-19-amd64");
  guest
      .Put("etc/securetty", "console\ntty1\nttyS0\n")
      // Upgraded from 8: names by rules of udev.
      .Put("etc/udev/rules.d/70-persistent-net.rules",
           "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
           "ATTR{address}==\"00:50:56:ab:00:01\", ATTR{type}==\"1\", KERNEL==\"eth*\", "
           "NAME=\"eth0\"\n")
      .Put("etc/network/interfaces",
           "auto lo\niface lo inet loopback\n\nallow-hotplug eth0\niface eth0 inet static\n"
           "\taddress 10.1.2.3\n\tnetmask 255.255.255.0\n\tgateway 10.1.2.1\n")
      .Put("lib/systemd/system/open-vm-tools.service", "[Service]\n")
      .Put("etc/init.d/open-vm-tools", "#!/bin/sh\n", 0755)
      .Link("etc/rc2.d/S02open-vm-tools", "../init.d/open-vm-tools")
      .Link("etc/rc0.d/K01open-vm-tools", "../init.d/open-vm-tools")
      .Link("etc/systemd/system/multi-user.target.wants/open-vm-tools.service",
            "/lib/systemd/system/open-vm-tools.service");
}

void Debian10(PhonyGuest& guest) {
  Debian(guest, 10, "4.19.0-27-amd64");
  guest
      .Put("etc/network/interfaces",
           "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n")
      .Put("etc/network/interfaces.d/ens192",
           "allow-hotplug ens192\niface ens192 inet static\n  address 10.1.2.3/24\n"
           "  gateway 10.1.2.1\niface ens192 inet6 auto\n");
}

void Debian11(PhonyGuest& guest) {
  Debian(guest, 11, "5.10.0-32-amd64");
  guest.Put("etc/network/interfaces", "allow-hotplug ens192\niface ens192 inet dhcp\n")
      .Put("lib/systemd/system/qemu-guest-agent.service", "[Service]\n")
      .Put("etc/cloud/cloud.cfg", "datasource_list: [ OpenStack, Ec2, None ]\n");
}

void Debian12(PhonyGuest& guest) {
  Debian(guest, 12, "6.1.0-21-amd64");
  guest
      .Put("etc/network/interfaces",
           "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n"
           "allow-hotplug ens192\niface ens192 inet dhcp\n")
      .Put("usr/lib/systemd/system/virtualbox-guest-utils.service", "[Service]\n");
}

void Ubuntu1404(PhonyGuest& guest) {
  const std::string release = "3.13.0-170-generic";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd.img-" + release});
  Grub(guest, release, "Ubuntu");
  Initramfs(guest);
  guest
      .Put("etc/os-release",
           "NAME=\"Ubuntu\"\nVERSION_ID=\"14.04\"\nID=ubuntu\n"
           "PRETTY_NAME=\"Ubuntu 14.04.6 LTS\"\n")
      .Put("etc/fstab", absl::StrCat("UUID=", kPhonyRootUuid, " / ext4 errors=remount-ro 0 1\n"))
      // Parts of systemd 204 are there; upstart starts the system and names are given by rules.
      .Put("lib/systemd/systemd-udevd", "")
      .Put("lib/udev/rules.d/75-persistent-net-generator.rules", "")
      .Put("sbin/initctl", "")
      .Put("sbin/upstart-udev-bridge", "")
      .Put("etc/init/tty1.conf", "start on stopped rc RUNLEVEL=[2345]\n")
      .Put("etc/securetty", "console\ntty1\n")
      .Put("etc/udev/rules.d/70-persistent-net.rules",
           "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
           "ATTR{address}==\"00:0c:29:99:99:99\", ATTR{type}==\"1\", KERNEL==\"eth*\", "
           "NAME=\"eth7\"\n")
      .Put("etc/network/interfaces",
           "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n"
           "    address 10.1.2.3\n    netmask 255.255.255.0\n    gateway 10.1.2.1\n"
           "    dns-nameservers 10.1.2.2\n")
      .Put("etc/init.d/vboxadd-service", "#!/bin/sh\n", 0755)
      .Link("etc/rc3.d/S35vboxadd-service", "../init.d/vboxadd-service");
}

void Ubuntu1804(PhonyGuest& guest) {
  const std::string release = "4.15.0-213-generic";
  guest.Add({.release = release,
             .image = "boot/vmlinuz-" + release,
             .initramfs = "boot/initrd.img-" + release});
  Grub(guest, release, "Ubuntu");
  Initramfs(guest);
  Systemd(guest, "");
  guest
      .Put("etc/os-release",
           "NAME=\"Ubuntu\"\nVERSION_ID=\"18.04\"\nID=ubuntu\n"
           "PRETTY_NAME=\"Ubuntu 18.04.6 LTS\"\n")
      .Put("etc/fstab", "/dev/sda2 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n")
      .Put("etc/netplan/50-cloud-init.yaml",
           "# This file is generated by cloud-init.\nnetwork:\n    ethernets:\n        ens192:\n"
           "            dhcp4: true\n            match:\n"
           "                macaddress: 00:50:56:ab:00:01\n            set-name: ens192\n"
           "    version: 2\n")
      .Put("etc/cloud/cloud.cfg", "users:\n  - default\n")
      .Put("lib/systemd/system/open-vm-tools.service", "[Service]\n")
      .Put("lib/systemd/system/vgauth.service", "[Service]\n");
}

void Ubuntu2204(PhonyGuest& guest) {
  const std::string release = "5.15.0-105-generic", older = "5.15.0-91-generic";
  for (const std::string& one : {release, older}) {
    guest.Add({.release = one,
               .image = "boot/vmlinuz-" + one,
               .initramfs = "boot/initrd.img-" + one,
               .modules = "usr/lib/modules"});
  }
  Grub(guest, release, "Ubuntu");
  Initramfs(guest);
  Systemd(guest, "usr/");
  guest
      .Put("etc/os-release",
           "NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nID=ubuntu\n"
           "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\n")
      .Put("etc/fstab",
           absl::StrCat("/dev/disk/by-uuid/", kPhonyRootUuid, " / ext4 defaults 0 1\n"))
      .Put("etc/netplan/00-installer-config.yaml",
           "network:\n  ethernets:\n    ens160:\n      addresses:\n      - 10.1.2.3/24\n"
           "      nameservers:\n        addresses: [10.1.2.2]\n      routes:\n"
           "      - to: default\n        via: 10.1.2.1\n  version: 2\n",
           0600)
      .Put("usr/lib/systemd/system/qemu-guest-agent.service", "[Service]\n")
      .Link("etc/systemd/system/qemu-guest-agent.service", "/dev/null");
}

}  // namespace godwit::testing
