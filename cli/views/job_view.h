// Jobs as people read them.
#pragma once

#include <iosfwd>
#include <map>
#include <string>

#include "godwit/jobs/v1/job.pb.h"
#include "godwit/jobs/v1/job_service.pb.h"

namespace godwit::cli {

bool Ended(const jobs::v1::Job& job);
// Share of its steps that are done, with the bytes of running ones; -1 before the steps are known.
double JobFraction(const jobs::v1::Job& job);
// What it is doing now: "convert: writing 3 files".
std::string JobNow(const jobs::v1::Job& job);
// Why it did not succeed: its own error and those of its servers, one line.
std::string JobFailure(const jobs::v1::Job& job);

void PrintJobs(const jobs::v1::ListJobsResponse& list,
               const std::map<std::string, std::string>& hosts, std::ostream& out);
void PrintJob(const jobs::v1::Job& job, std::ostream& out);
// "2024-05-01 12:00:07Z  SNAPSHOT_START  s-…  text"
std::string LogLine(const jobs::v1::JobLogItem& item);

}  // namespace godwit::cli
