// A Ceph cluster of its own (deploy/dev/ceph_cluster.sh): a monitor and an OSD on loopback, with
// cephx. It ends with the test, however that ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/process.h"

namespace godwit::testing {

// Not thread-safe.
class CephCluster {
 public:
  // Takes about ten seconds.
  static absl::StatusOr<std::unique_ptr<CephCluster>> Start(std::int64_t osd_bytes);
  ~CephCluster();
  static std::string Pool() { return "staging"; }
  // A client that may do in that pool what docs/staging.md gives to a worker.
  static std::string User() { return "godwit"; }
  std::string conf() const { return dir_ / "ceph/ceph.conf"; }
  // What `ceph WORDS...` prints, as administrator.
  absl::StatusOr<std::string> Ceph(const std::vector<std::string>& words) const;
  // Sends a signal to the OSD (SIGSTOP: the cluster does not answer).
  absl::Status SignalOsd(int signal) const;

 private:
  CephCluster() = default;
  TempDir dir_;  // before the process: removed after it
  Process process_;
};

}  // namespace godwit::testing
