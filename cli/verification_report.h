// The signed report of a verification, read without any service.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::cli {

struct VerificationReport {
  std::string json;  // the report as it was signed
  std::string signer, certificate_sha256;

  struct Disk {
    std::string id, device_name;
    std::int64_t size_bytes = 0;
  };
  std::string server, verification, compare_start_time, compare_end_time, end_time;
  std::vector<Disk> disks;
  std::int64_t compared_bytes = 0, total_bytes = 0, difference_count = 0;
  std::string point, cut_time, consistency, root_hash, coordinator_version;
  std::int64_t epoch = 0;
};

// Reads a report file that the coordinator of the installation with this CA signed. The status says
// why it proves nothing.
absl::StatusOr<VerificationReport> ReadVerificationReport(const std::string& file,
                                                          const std::string& ca_pem);

}  // namespace godwit::cli
