// Wave runs in PostgreSQL, schema "jobs". The run's row is the lock of all its rows.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/common/pg/pool.h"
#include "services/jobs/app/wave_ports.h"

namespace godwit::jobs {

class PgWaveStore final : public WaveStore {
 public:
  explicit PgWaveStore(const std::string& conninfo, int max_connections = 6)
      : pool_({.conninfo = conninfo, .max_connections = max_connections}) {}

  // Id of the wave that a run is of. NOT_FOUND.
  absl::StatusOr<std::string> WaveOf(const std::string& run_id);

  absl::StatusOr<WaveRun> Create(const NewWaveRun& run) override;
  absl::StatusOr<WaveRun> FindRequest(const std::string& request_id,
                                      const std::string& request_hash) override;
  absl::StatusOr<WaveRun> Get(const std::string& run_id) override;
  absl::StatusOr<WaveRunPage> List(const WaveRunFilter& filter) override;
  absl::StatusOr<std::vector<WaveEventRecord>> ListEvents(const std::string& run_id,
                                                          std::int64_t after, int limit) override;
  absl::StatusOr<std::int64_t> Version(const std::string& run_id) override;
  absl::StatusOr<WaveRun> Change(const WaveChange& change, const DecideWave& decide) override;

  absl::StatusOr<std::optional<ClaimedWaveRun>> Claim(const std::string& owner,
                                                      absl::Duration ttl) override;
  absl::Status Renew(const WaveLease& lease, absl::Duration ttl) override;
  absl::StatusOr<WaveRun> Modify(const WaveLease& lease, absl::Duration ttl,
                                 const DecideWave& decide) override;
  absl::Status Release(const WaveLease& lease, absl::Duration delay) override;

  absl::StatusOr<std::map<std::string, std::string>> JobsUnderWay(
      const std::vector<std::string>& servers) override;
  absl::StatusOr<std::string> JobOfRequest(const std::string& request_id) override;

 private:
  pg::Pool pool_;
};

}  // namespace godwit::jobs
