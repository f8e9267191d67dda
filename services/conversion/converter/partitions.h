// What partition tables say of their partitions beside where they are. Pure; the bytes are hostile.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace godwit::convert {

struct PartitionId {
  std::string uuid;   // as PARTUUID= has it
  std::string label;  // PARTLABEL=, GPT only; printable ASCII, other characters are '_'
  std::string type;   // GPT: the type's GUID in lower case; MBR: two hex digits
};

// Enough of a disk for ParsePartitions: the table of a GPT has 128 entries behind its header.
constexpr std::size_t kPartitionTableBytes = 65536;

struct PartitionIds {
  std::string kind;                       // "gpt", "dos", "" none
  std::map<int, PartitionId> partitions;  // by number; at most 128
};

// `head`: the first kPartitionTableBytes of a disk with sectors of 512 bytes. Logical partitions of
// an MBR (5 and up) get the id that the kernel gives them, too.
PartitionIds ParsePartitions(absl::string_view head);

// The EFI system partition, by its type.
bool IsEfiSystemPartition(absl::string_view type);

}  // namespace godwit::convert
