#include "services/conversion/converter/settle.h"

#include <stdlib.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/conversion/converter/settle_fat.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

// When the disks know of no time.
constexpr std::int64_t kSomeDate = 946684800;  // 2000-01-01

}  // namespace

void Settling::BeforeChecks(const std::vector<Volume>& volumes) {
  first_ = absl::ToUnixSeconds(absl::Now());
  std::int64_t last = kSomeDate;
  for (const Volume& volume : volumes) {
    if (IsExt(volume.type)) last = std::max(last, LastUseOfExt(volume.device).value_or(0));
  }
  // e2fsck and its library have their own ways to be told the time.
  for (const char* name : {"E2FSPROGS_FAKE_TIME", "E2FSCK_TIME"})
    setenv(name, absl::StrCat(last).c_str(), 1);
}

void Settling::Begin(const std::vector<Volume>& volumes) {
  for (const Volume& volume : volumes) {
    if (!IsExt(volume.type) || !volume.damage.empty()) continue;
    const absl::StatusOr<ExtState> state = LookAtExt(volume.device, first_ - 1);
    if (!state.ok()) continue;
    ext_[volume.device] = *state;
    stamp_ = std::max(stamp_, state->newest);
  }
  // FAT counts in steps of two seconds.
  stamp_ = stamp_ == 0 ? kSomeDate : (stamp_ + 2) / 2 * 2;
}

void Settling::End(const std::vector<Volume>& volumes, const std::string& added_esp,
                   std::vector<Finding>* findings) const {
  const std::int64_t last = absl::ToUnixSeconds(absl::Now()) + 1;
  const auto settle = [&](const std::string& device, const std::string& type) -> absl::Status {
    if (type == "vfat") return SettleFat(device, first_, last, stamp_);
    if (!IsExt(type)) return absl::OkStatus();
    const auto state = ext_.find(device);
    if (state == ext_.end()) return absl::ResourceExhaustedError("it has too many files");
    return SettleExt(device, state->second, first_, last, stamp_);
  };
  const auto note = [&](const std::string& name, const absl::Status& status) {
    if (status.ok()) return;
    findings->push_back({"NOTE", "NOT_SETTLED",
                         absl::StrCat("another conversion of ", name,
                                      " may leave other times in it: ", status.message()),
                         ""});
  };
  for (const Volume& volume : volumes) {
    if (volume.damage.empty()) note(volume.source_device, settle(volume.device, volume.type));
  }
  if (!added_esp.empty()) note("the EFI system partition", settle(added_esp, "vfat"));
}

}  // namespace godwit::convert
