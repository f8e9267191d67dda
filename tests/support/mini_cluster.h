// A whole installation of real processes on loopback: PostgreSQL, registry, coordinator, workers,
// jobs, conversion, each with its certificate. Each process can be killed, paused and started again
// on the same port and data.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/rpc/channel.h"
#include "tests/support/process.h"
#include "tests/support/test_pki.h"

namespace grpc {
class Channel;
}

namespace godwit::testing {

// Not thread-safe.
class MiniCluster {
 public:
  struct Options {
    // Lease of workers: short, so that tests of take-over are.
    std::string lease_duration = "6s";
    bool jobs = false;        // also godwit-jobs
    bool conversion = false;  // also godwit-conversion and a conversion worker
  };

  // Starts PostgreSQL, applies the migrations, starts the services. No workers yet.
  static absl::StatusOr<std::unique_ptr<MiniCluster>> Start(const Options& options);
  static absl::StatusOr<std::unique_ptr<MiniCluster>> Start() { return Start(Options()); }
  ~MiniCluster();

  // "postgres", "registry", "replication", "jobs", "conversion", "conversion-worker", and what
  // AddWorker named. A service is started with `environment` besides its own (GODWIT_FAILPOINT).
  // Waits until it serves.
  absl::Status StartService(const std::string& name,
                            const std::map<std::string, std::string>& environment = {});
  // Ends a service and starts it again with `flags` besides its own; without any: as it was.
  absl::Status RestartWith(const std::string& name, std::vector<std::string> flags);
  // Starts a replication worker called `name` on the store folder `store` (shared by workers that
  // name the same one).
  absl::Status AddWorker(const std::string& name, const std::string& store,
                         const std::map<std::string, std::string>& environment = {});
  // The running process; CHECK-fails for unknown names.
  Process& Get(const std::string& name);

  // PostgreSQL by pg_ctl: a restart as an operator would do it. `mode`: "fast" or "immediate" (as a
  // crash).
  absl::Status StopPostgres(const std::string& mode);
  absl::Status StartPostgres();

  // A channel to a service ("registry", "replication", "jobs", "conversion") as `principal`.
  std::shared_ptr<grpc::Channel> Channel(const std::string& service,
                                         const std::string& principal = "user/admin/test");

  std::string Endpoint(const std::string& service) const;  // "127.0.0.1:port"
  std::string EnrollEndpoint() const;
  // Where "registry", "replication", "jobs", "conversion" or a worker gives its metrics.
  std::string MetricsUrl(const std::string& service) const;
  // Id of a worker: "w-" + 17 hex digits, derived from its name.
  static std::string WorkerId(const std::string& name);
  const std::string& dir() const { return dir_.path(); }
  // Where the registry's buckets lie.
  std::string transfer_dir() const { return dir_ / "transfer"; }
  const std::string& conninfo() const { return conninfo_; }
  const TestPki& pki() const { return pki_; }

 private:
  struct Service {
    std::vector<std::string> command, flags;
    Process process;
  };
  explicit MiniCluster(const Options& options) : options_(options) {}
  absl::Status SetUp();
  void Describe(const std::string& name, std::vector<std::string> command);
  std::string Log(const std::string& name) const { return dir_ / absl::StrCat(name, ".log"); }

  const Options options_;
  TempDir dir_;
  TestPki pki_;
  std::string conninfo_;
  std::map<std::string, int> ports_;
  std::map<std::string, Service> services_;
};

}  // namespace godwit::testing
