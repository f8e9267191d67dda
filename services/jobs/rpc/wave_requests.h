// Requests of WaveRunService checked and turned into plain values. INVALID_ARGUMENT names the
// field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "godwit/jobs/v1/wave_run_service.pb.h"
#include "services/jobs/app/wave_plan.h"
#include "services/jobs/app/wave_ports.h"

namespace godwit::jobs {

absl::StatusOr<WaveRequest> ReadWaveRequest(const std::string& wave, v1::WaveRun::Kind kind,
                                            const v1::WaveRunOptions& options);

// What makes two requests the same: their text without the request id.
std::string FingerprintOf(const google::protobuf::Message& request);

absl::StatusOr<std::string> ReadWaveRunName(const std::string& name);  // "wr-..."
absl::StatusOr<std::optional<std::int64_t>> ReadWaveEtag(const std::string& etag);
absl::StatusOr<WaveRunFilter> ReadWaveList(const v1::ListWaveRunsRequest& request);

}  // namespace godwit::jobs
