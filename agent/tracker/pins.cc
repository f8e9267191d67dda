#include "agent/tracker/pins.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/tracker/dirty_layout.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/losses.h"
#include "services/common/base/file.h"

namespace godwit::agent {
namespace {

// Calls of the program that were left out.
std::uint64_t RecursionMisses(const std::string& pin) {
  const Fd link(bpf_obj_get(pin.c_str()));
  bpf_link_info link_info{};
  __u32 size = sizeof link_info;
  if (!link.valid() || bpf_obj_get_info_by_fd(link.get(), &link_info, &size) != 0) return 0;
  const Fd program(bpf_prog_get_fd_by_id(link_info.prog_id));
  bpf_prog_info info{};
  size = sizeof info;
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return 0;
  return info.recursion_misses;
}

}  // namespace

absl::Status RemovePins(const std::string& disk_id) {
  const std::string folder = absl::StrCat(kPinRoot, "/", disk_id);
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  rmdir(kPinRoot);  // the last one
  return error ? absl::InternalError(absl::StrCat(folder, ": ", error.message()))
               : absl::OkStatus();
}

std::string LossesOf(const std::string& disk_id) {
  const std::string folder = absl::StrCat(kPinRoot, "/", disk_id);
  const Fd map(bpf_obj_get((folder + "/meta").c_str()));
  bpf_map_info info{};
  __u32 size = sizeof info;
  godwit_meta meta{};
  const __u32 key = 0;
  if (!map.valid() || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0 ||
      info.value_size != sizeof meta || bpf_map_lookup_elem(map.get(), &key, &meta) != 0 ||
      meta.layout != GODWIT_LAYOUT) {
    return "";
  }
  return LossesText({.out_of_range = meta.out_of_range,
                     .passthrough = meta.passthrough,
                     .ranges_dropped = meta.ranges_dropped,
                     .bios_dropped = meta.bios_dropped,
                     .unknown_ends = meta.unknown_ends,
                     .recursion_misses = RecursionMisses(folder + "/link") +
                                         RecursionMisses(folder + "/link_queue")});
}

}  // namespace godwit::agent
