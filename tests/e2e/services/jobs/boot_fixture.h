// Launches of machines with real kernels by a real godwit-jobs; registry, replication and
// conversion are those of the tests of calls.
#pragma once

#include <string>

#include "godwit/common/v1/error.pb.h"
#include "tests/rpc/services/jobs/jobs_fixture.h"
#include "tests/support/guest_disk.h"

namespace godwit::testing {

inline constexpr int kWebPort = 80;
inline constexpr absl::Duration kBootPatience = absl::Minutes(10);

class BootFixture : public JobsFixture {
 protected:
  // What a machine needs, and no proof yet.
  jobs::v1::CreateJobRequest LaunchDisk(const std::string& server, const std::string& disk,
                                        int memory_mib, absl::Duration proof_timeout) {
    peers_.replication.SetDisk(server, disk);
    jobs::v1::CreateJobRequest request = LaunchOf(server);
    auto* settings = request.mutable_servers(0)->mutable_launch_settings();
    settings->set_memory_bytes(std::int64_t{memory_mib} << 20);
    settings->add_port_forwards()->set_guest_port(kWebPort);
    auto* proof = settings->mutable_boot_proof();
    proof->clear_console_text();
    proof->mutable_timeout()->set_seconds(absl::ToInt64Seconds(proof_timeout));
    return request;
  }
  static jobs::v1::LaunchSettings* SettingsOf(jobs::v1::CreateJobRequest& request) {
    return request.mutable_servers(0)->mutable_launch_settings();
  }
  // The stable word of a failed launch; "" when there is none.
  static std::string ReasonOf(const jobs::v1::Job& job) {
    common::v1::ErrorDetail detail;
    if (job.servers(0).error().details_size() == 0) return "";
    detail.ParseFromString(job.servers(0).error().details(0).value());
    return detail.reason();
  }
  static double SecondsOf(const jobs::v1::Job& job) {
    return static_cast<double>(job.end_time().seconds() - job.start_time().seconds()) +
           (job.end_time().nanos() - job.start_time().nanos()) / 1e9;
  }
};

}  // namespace godwit::testing
