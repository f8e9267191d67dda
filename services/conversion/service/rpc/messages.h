// Between messages and tasks.
#pragma once

#include "absl/status/statusor.h"
#include "godwit/conversion/v1/conversion_service.pb.h"
#include "services/conversion/service/domain/profiles.h"
#include "services/conversion/service/domain/task.h"

namespace godwit::conversion {

// Checks every field; what a task is made of. What the profile says goes into the target.
absl::StatusOr<NewTask> ToNewTask(const v1::CreateTaskRequest& request,
                                  const std::string& requester, const Profiles& profiles);

// `whole` false: without changes and console_tail.
v1::ConversionTask ToMessage(const Task& task, bool whole);

// The output fields of what a worker reports, bounded, serialized.
absl::StatusOr<std::string> ToResult(const v1::ConversionTask& reported);

// Text of a worker for the database and for people: at most `limit` bytes, printable ASCII.
std::string Printable(const std::string& text, std::size_t limit);

v1::Profile ToMessage(const Profile& profile);

// "conversionTasks/ct-..." -> "ct-...".
absl::StatusOr<std::string> TaskId(const std::string& field, const std::string& name);

}  // namespace godwit::conversion
