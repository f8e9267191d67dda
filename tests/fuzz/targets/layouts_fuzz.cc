// Partition tables, LVM's reports, and the tables of a guest that name its disks.
#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "services/common/base/check.h"
#include "services/conversion/converter/fstab.h"
#include "services/conversion/converter/lvm_report.h"
#include "services/conversion/converter/names.h"
#include "services/conversion/converter/partition_table.h"
#include "services/conversion/converter/root_choice.h"

namespace {

using namespace godwit::convert;

bool Printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
}

void Binary(absl::string_view bytes) {
  const PartitionTable table = ParsePartitionTable(bytes, 1 << 20);
  GODWIT_CHECK(table.partitions.size() <= 128 && table.ids.size() <= 128);
  for (const Partition& partition : table.partitions) {
    GODWIT_CHECK(partition.sectors > 0 && partition.start + partition.sectors <= 1 << 20);
  }
  for (const auto& [number, id] : table.ids) {
    GODWIT_CHECK(number >= 1 && number <= 128);
    GODWIT_CHECK(Printable(id.uuid) && Printable(id.label) && Printable(id.type));
  }
}

void Text(const std::string& text) {
  Volume volume{.source_device = "/dev/sda1", .type = "ext4", .uuid = "u"};
  volume.disk = 0;
  volume.partition = 1;
  const std::vector<Volume> volumes = {volume};
  Names names(volumes, /*complete=*/true);
  std::vector<FstabEntry> fstab = ParseFstab(text);
  GODWIT_CHECK(fstab.size() <= 1000);
  fstab.resize(std::min<std::size_t>(fstab.size(), 50));
  for (const FstabEntry& entry : fstab) names.Use({entry.device, entry.type});
  const StableName stable = [&](const std::string& name) { return names.Stable(name); };
  for (const FstabEntry& entry : fstab) {
    entry.Option("subvol");
    // A stable name means the same volume.
    const auto name = stable(entry.device);
    if (name) GODWIT_CHECK(names.Find(*name) == names.Find(entry.device));
  }
  std::vector<std::string> unresolved;
  const std::string crypttab = EditCrypttab(text, stable, &unresolved);
  GODWIT_CHECK(EditCrypttab(crypttab, stable, &unresolved) == crypttab);
  const std::string mdadm = EditMdadm(text), lvm = EditLvm(text);
  GODWIT_CHECK(EditMdadm(mdadm) == mdadm);
  GODWIT_CHECK(EditLvm(lvm) == lvm);
  DefaultRoot(text, text);
  EntryRoot(text, text);
  if (const auto logical = ParseLogicalVolumes(text, 100); logical.ok()) {
    GODWIT_CHECK(logical->size() <= 100);
    for (const LogicalVolume& one : *logical) GODWIT_CHECK(IsLvmName(one.name));
  }
  ParseMissingDisks(text).status().IgnoreError();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  Binary(input);
  Text(input);
  return 0;
}
