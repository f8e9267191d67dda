// Phony guests: directory trees with the files that a distribution has where its documentation says
// they are, and no program of it. Kernels are a word, modules are empty, initramfs images are
// archives with one file. For what a conversion changes, not for booting.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace godwit::testing {

// The source's disk in all phony guests: /dev/sda1 is /boot or the EFI system partition, sda2 the
// root, sda3 swap.
inline constexpr char kPhonyBootUuid[] = "b0070000-0000-4000-8000-000000000001";
inline constexpr char kPhonyRootUuid[] = "70070000-0000-4000-8000-000000000002";
inline constexpr char kPhonySwapUuid[] = "5a700000-0000-4000-8000-000000000003";
// The source's card and that of the launched machine.
inline constexpr char kPhonySourceMac[] = "00:50:56:ab:00:01";
inline constexpr char kPhonyTargetMac[] = "52:54:00:10:20:30";

// Writes below `root`. A failed write ends the program: a test without its guest proves nothing.
class PhonyGuest {
 public:
  explicit PhonyGuest(std::string root) : root_(std::move(root)) {}
  PhonyGuest& Put(const std::string& path, const std::string& text, unsigned mode = 0644);
  PhonyGuest& Link(const std::string& path, const std::string& target);
  // A kernel with the drivers of virtio, SATA and NVMe in its module tree. `ending` of the modules'
  // names: ".ko", ".ko.xz", ".ko.zst".
  struct Kernel {
    std::string release, image, initramfs;
    std::string ending = ".ko", modules = "lib/modules";
    std::vector<std::string> names = {"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net",
                                      "ahci",       "nvme",       "e1000e"};
  };
  PhonyGuest& Add(const Kernel& kernel);
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

// An initramfs as a tool would make it, uncompressed.
std::string PhonyInitramfs();

// All families by name ("centos6", "rocky9", "debian12"...).
const std::map<std::string, void (*)(PhonyGuest&)>& PhonyFamilies();

// Every file and symlink below `root`, by path: "file MODE\nCONTENT" or "link TARGET".
std::map<std::string, std::string> Snapshot(const std::string& root);

// What happened between two snapshots, one file after the other: "~ path" with its changed lines,
// "+ path" with all lines, "- path". Copies of files as they were are checked and left out; of an
// initramfs only the appended modules are named.
std::string DescribeChanges(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after);

}  // namespace godwit::testing
