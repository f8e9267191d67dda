// Alpine and Arch. Sources: Alpine's wiki ("Configure Networking", "Bootloaders", "Initramfs
// init"), mkinitfs-bootparam(7); Arch's wiki ("systemd-boot", "mkinitcpio", "systemd-networkd"),
// mkinitcpio.conf(5), loader.conf(5).
#include "absl/strings/str_cat.h"
#include "tests/support/phony/families.h"

namespace godwit::testing {
namespace {

void Arch(PhonyGuest& guest) {
  guest.Add({.release = "6.9.1-arch1-1",
             .image = "boot/vmlinuz-linux",
             .initramfs = "boot/initramfs-linux.img",
             .ending = ".ko.zst",
             .modules = "usr/lib/modules"});
  guest.Put("usr/lib/modules/6.9.1-arch1-1/pkgbase", "linux\n")
      .Put("boot/initramfs-linux-fallback.img", PhonyInitramfs(), 0600)
      .Put("etc/os-release", "NAME=\"Arch Linux\"\nID=arch\nPRETTY_NAME=\"Arch Linux\"\n")
      .Put("etc/mkinitcpio.conf",
           "MODULES=()\nBINARIES=()\nFILES=()\n"
           "HOOKS=(base udev autodetect modconf block filesystems fsck)\n")
      .Put("usr/lib/systemd/systemd", "")
      .Put("usr/lib/systemd/systemd-udevd", "")
      .Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "")
      .Put("usr/lib/systemd/system/vmtoolsd.service", "[Service]\n")
      .Put("usr/lib/systemd/system/vmware-vmblock-fuse.service", "[Service]\n");
}

}  // namespace

void Alpine320(PhonyGuest& guest) {
  guest.Add({.release = "6.6.31-0-lts",
             .image = "boot/vmlinuz-lts",
             .initramfs = "boot/initramfs-lts",
             .ending = ".ko.gz"});
  guest
      .Put("etc/os-release",
           "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.0\n"
           "PRETTY_NAME=\"Alpine Linux v3.20\"\n")
      .Put("etc/fstab",
           "/dev/sda2\t/\text4\trw,relatime 0 1\n/dev/sda3\tswap\tswap\tdefaults\t0 0\n")
      .Put("boot/extlinux.conf",
           "DEFAULT menu.c32\nPROMPT 0\nTIMEOUT 10\nLABEL lts\n  MENU DEFAULT\n"
           "  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n"
           "  APPEND root=/dev/sda2 modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4\n")
      .Put("etc/update-extlinux.conf",
           "overwrite=1\ndefault_kernel_opts=\"quiet rootfstype=ext4\"\n"
           "modules=sd-mod,usb-storage,ext4\nroot=/dev/sda2\nserial_port=\nserial_baud=115200\n")
      .Put("etc/mkinitfs/mkinitfs.conf", "features=\"ata base ide scsi usb virtio ext4\"\n")
      .Put("etc/mkinitfs/features.d/virtio.modules", "kernel/drivers/virtio\n")
      .Put("etc/inittab",
           "::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n\n"
           "# Put a getty on the serial port\n#ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100\n")
      .Put("etc/securetty", "console\ntty1\n")
      .Put("sbin/openrc", "")
      .Put("etc/network/interfaces",
           "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n")
      .Put("etc/init.d/open-vm-tools", "#!/sbin/openrc-run\n", 0755)
      .Link("etc/runlevels/boot/open-vm-tools", "/etc/init.d/open-vm-tools")
      .Put("etc/init.d/qemu-guest-agent", "#!/sbin/openrc-run\n", 0755)
      .Link("etc/runlevels/default/sshd", "/etc/init.d/sshd");
}

void ArchSystemdBoot(PhonyGuest& guest) {
  Arch(guest);
  guest.Put("boot/loader/loader.conf", "default arch.conf\ntimeout 3\n")
      .Put("boot/loader/entries/arch.conf",
           "title Arch Linux\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\n"
           "options root=/dev/sda2 rw\n")
      .Put("etc/fstab", absl::StrCat("UUID=", kPhonyRootUuid, " / ext4 rw,relatime 0 1\n"))
      .Put("etc/systemd/network/20-wired.network",
           "[Match]\nName=ens33\n\n[Network]\nAddress=10.1.2.3/24\nGateway=10.1.2.1\n"
           "DNS=10.1.2.2\n");
}

void ArchGrub(PhonyGuest& guest) {
  Arch(guest);
  guest
      .Put("boot/grub/grub.cfg",
           "set default=\"0\"\nmenuentry 'Arch Linux' {\n\tlinux /boot/vmlinuz-linux "
           "root=/dev/sda2 rw quiet\n\tinitrd /boot/initramfs-linux.img\n}\n")
      .Put("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n")
      .Put("etc/fstab", "/dev/sda2 / ext4 rw,relatime 0 1\n")
      .Put("etc/systemd/network/10-lan.link",
           "[Match]\nMACAddress=00:50:56:ab:00:01\n\n[Link]\nName=lan0\n")
      .Put("etc/systemd/network/20-lan.network", "[Match]\nName=lan0\n\n[Network]\nDHCP=yes\n");
}

}  // namespace godwit::testing
