// Requests checked and turned into plain values. INVALID_ARGUMENT names the field.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/jobs/v1/job_service.pb.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "services/jobs/app/job_store.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

// `field` is the path of the settings in the request. What is asked for and not acted on is added
// to `warnings`.
absl::StatusOr<LaunchSettings> ReadSettings(absl::string_view field,
                                            const v1::LaunchSettings& settings,
                                            std::vector<std::string>* warnings);

// All of the request but steps and plan version.
absl::StatusOr<NewJob> ReadPreflight(const v1::StartPreflightRequest& request);
absl::StatusOr<NewJob> ReadCreate(const v1::CreateJobRequest& request);

absl::StatusOr<JobFilter> ReadList(const v1::ListJobsRequest& request);

// 0 means 50, at most 500.
absl::StatusOr<int> ReadPageSize(std::int32_t page_size);
// A page token is a number of ours; empty means 0.
absl::StatusOr<std::int64_t> ReadPageToken(const std::string& token);

}  // namespace godwit::jobs
