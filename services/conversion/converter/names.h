// Names of block devices as the source wrote them -> the volumes that they mean, and the names that
// the target has for these. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/volumes.h"

namespace godwit::convert {

// Where a name is used: tells names apart that say too little themselves.
struct NameUse {
  std::string name;
  std::string type;  // the file system's, as fstab has it: "ext4", "swap", "auto"; "" unknown
};

// The volumes must outlive it.
class Names {
 public:
  // `complete` false: some containers stayed closed, so an unknown name may still be right.
  Names(const std::vector<Volume>& volumes, bool complete)
      : volumes_(volumes), complete_(complete) {}

  // What else is known: names in fstab and the like, before Find() is asked for any of them.
  void Use(const NameUse& use) { uses_.push_back(use); }

  // The volume of "/dev/sda1", "/dev/mapper/vg0-root", "/dev/vg0/root", "/dev/md0", "/dev/md/root",
  // "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=" (quoted or not), "/dev/disk/by-...". Names by path
  // and id of the source's hardware are not on the disks: such a name means the only volume that it
  // can mean, by its partition number and its uses, or nothing. nullptr: none.
  const Volume* Find(const std::string& name) const;

  // The name for the target: the same where it lives on the disks (LVM, arrays by name, LUKS, UUID,
  // LABEL...), UUID= or PARTUUID= instead of names of the kernel or of hardware. nullopt: there is
  // no such volume, and nothing was left closed that could hold it.
  std::optional<std::string> Stable(const std::string& name) const;

  // Volumes with one UUID: a name by it is a lottery.
  std::vector<Finding> Ambiguous() const;

 private:
  const Volume* FindByHardware(const std::string& name) const;
  std::string UniqueName(const Volume& volume) const;

  const std::vector<Volume>& volumes_;
  const bool complete_;
  std::vector<NameUse> uses_;
};

// "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=": a name by content.
bool IsTag(const std::string& name);

// fstab's "\040" is a blank.
std::string UnescapeFstab(const std::string& text);

}  // namespace godwit::convert
