// Jobs as messages of the API.
#pragma once

#include "absl/time/time.h"
#include "godwit/jobs/v1/job.pb.h"
#include "services/jobs/app/ports.h"
#include "services/jobs/domain/job.h"

namespace godwit::jobs {

void SetTime(absl::Time time, google::protobuf::Timestamp* out);
absl::Time GetTime(const google::protobuf::Timestamp& time);
void SetDuration(absl::Duration duration, google::protobuf::Duration* out);
absl::Duration GetDuration(const google::protobuf::Duration& duration);

v1::Job ToMessage(const Job& job);
v1::LaunchedMachine ToMessage(const MachineReport& machine);
v1::JobLogItem ToMessage(const LogItem& item);

// Whether nothing of the job will change any more.
inline bool IsFinal(const Job& job) { return Ended(job.state); }

}  // namespace godwit::jobs
