#include "services/jobs/domain/wave_errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

constexpr char kPayload[] = "godwit/wave-run";

}  // namespace

absl::Status RunUnderWay(absl::string_view run_id) {
  absl::Status status = absl::AlreadyExistsError(
      absl::StrCat("waveRuns/", run_id, " of this wave has not ended; wait for it or cancel it"));
  status.SetPayload(kPayload, absl::Cord(run_id));
  return status;
}

std::string WaveRunOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace godwit::jobs
