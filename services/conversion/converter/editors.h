// Editors of configuration files: pure functions on text. What they do not understand they leave as
// it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace godwit::convert {

// The stable name of a kernel device name of the source ("/dev/sda1" -> "UUID=..."); nullopt when
// it is none of a migrated disk.
using StableName = std::function<std::optional<std::string>(const std::string& device)>;

// fstab: device names become stable ones. Entries whose device is not there get "nofail" and are
// listed in *unresolved.
std::string EditFstab(const std::string& text, const StableName& stable,
                      std::vector<std::string>* unresolved);

// Kernel command line: root= and resume= get stable names; consoles tty0 and ttyS0 are added when
// no serial console is there; the target's disk drivers when modules are named (Alpine).
// `more`: arguments that are added when they are not there.
std::string EditKernelArguments(const std::string& arguments, const StableName& stable,
                                const std::vector<std::string>& more = {});

// /etc/default/grub: stable root names allowed, consoles in GRUB_CMDLINE_LINUX, so that the guest's
// own next update-grub keeps them; stable names in GRUB_CMDLINE_LINUX_DEFAULT, too.
std::string EditGrubDefaults(const std::string& text, const StableName& stable,
                             const std::vector<std::string>& more = {});

// Alpine's /etc/update-extlinux.conf, from which extlinux.conf is made: root=, modules= and
// default_kernel_opts=.
std::string EditExtlinuxDefaults(const std::string& text, const StableName& stable);

// initramfs-tools' conf.d/resume: RESUME=/dev/...
std::string EditResume(const std::string& text, const StableName& stable);

// initramfs-tools' list of modules: `modules` are added at its end.
std::string AddModules(const std::string& text, const std::vector<std::string>& modules);

// A systemd .link file that names the card with `mac`.
std::string LinkFile(const std::string& mac, const std::string& name);

// What a system without os-release calls itself in /etc/redhat-release or /etc/SuSE-release:
// "CentOS release 6.10 (Final)" is "centos", "6.10".
struct ReleaseName {
  std::string distribution, version;
};
ReleaseName OldReleaseName(const std::string& text);

// Values of os-release by key.
std::string OsReleaseValue(const std::string& text, const std::string& key);

}  // namespace godwit::convert
