// godwit-bench-jobs: runners against one PostgreSQL with many due servers of many jobs. What the
// job service does (claim, steps, end), beside the least that a queue in the same database can do.
#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/programs/json_line.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/pool.h"
#include "services/jobs/storage/codec.h"
#include "services/jobs/storage/pg_job_store.h"

namespace godwit::bench {
namespace {

using jobs::Lease;
using jobs::PgJobStore;

struct Config {
  std::string database, way = "godwit";
  std::int64_t due = 60'000, servers_of_job = 200, steps = 2, runners = 2, most_of_job = 0;
  absl::Duration time = absl::Seconds(10);
};

constexpr int kMostInVain = 100;  // in a row

// What one runner did.
struct Tally {
  std::vector<double> claims;  // milliseconds each
  std::int64_t steps = 0;
  std::vector<std::int64_t> claimed;  // ids, to see that none was given twice
  // Claims that gave nothing although much was due. A runner tries again.
  std::int64_t in_vain = 0;
};

constexpr pg::Statement kPlainClaim = {
    "bench_plain_claim",
    "UPDATE bench.item SET state = 2, due_at = clock_timestamp() + interval '10 minutes' "
    "WHERE id = (SELECT id FROM bench.item WHERE state = 1 AND due_at <= now() "
    "ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"};
// The negative control: whoever claims waits for the row that another one has.
constexpr pg::Statement kBlockingClaim = {
    "bench_blocking_claim",
    "UPDATE bench.item SET state = 2, due_at = clock_timestamp() + interval '10 minutes' "
    "WHERE state = 1 AND id = (SELECT id FROM bench.item WHERE state = 1 AND due_at <= now() "
    "ORDER BY due_at, id LIMIT 1 FOR UPDATE) RETURNING id"};
constexpr pg::Statement kPlainStep = {
    "bench_plain_step", "UPDATE bench.item SET state = state + 1 WHERE id = $1::bigint"};

absl::Status Fill(const Config& config) {
  ASSIGN_OR_RETURN(const auto connection,
                   pg::Connection::Open(config.database, {.statement = absl::Minutes(10)}));
  const std::int64_t count = config.due;
  const std::int64_t of_job = config.servers_of_job;
  const std::int64_t jobs = (count + of_job - 1) / of_job;
  RETURN_IF_ERROR(connection->Run(absl::StrCat(
      "DELETE FROM jobs.job; DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; "
      "CREATE TABLE bench.item (id bigint PRIMARY KEY, state integer NOT NULL DEFAULT 1, "
      "due_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 80); "
      "CREATE INDEX item_due ON bench.item (due_at, id) WHERE state < 5; "
      "INSERT INTO bench.item (id) SELECT generate_series(1, ",
      count,
      "); INSERT INTO jobs.job (job_id, request_id, request_hash, type, initiated_by) "
      "SELECT 'job-' || lpad(to_hex(i), 17, '0'), gen_random_uuid(), 'h', 1, 'bench' "
      "FROM generate_series(1, ",
      jobs,
      ") i; INSERT INTO jobs.run (job_id, index, type, server, input, plan_version) "
      "SELECT 'job-' || lpad(to_hex(i / ",
      of_job, " + 1), 17, '0'), i % ", of_job, ", 1, 's-' || lpad(to_hex(i), 17, '0'), $json$",
      jobs::InputToJson(jobs::RunInput()), "$json$, ", jobs::kPlanVersion,
      " FROM generate_series(0, ", count - 1,
      ") i; INSERT INTO jobs.step (run_id, index, name) "
      "SELECT r.id, s, 'step' || s FROM jobs.run r, generate_series(0, ",
      config.steps - 1, ") s;")));
  return connection->Run("VACUUM ANALYZE jobs.job, jobs.run, jobs.step, bench.item");
}

double Milliseconds(absl::Time since) { return absl::ToDoubleMilliseconds(absl::Now() - since); }

absl::Status RunJobs(const Config& config, PgJobStore& store, absl::Time end, Tally* tally) {
  const jobs::ClaimOrder order{.types = {jobs::JobType::kTestLaunch},
                               .owner = "bench",
                               .ttl = absl::Minutes(10),
                               .limit = 1,
                               .most_of_job = static_cast<int>(config.most_of_job)};
  int in_vain = 0;
  while (absl::Now() < end) {
    const absl::Time begun = absl::Now();
    ASSIGN_OR_RETURN(const std::vector<jobs::Run> runs, store.Claim(order));
    tally->claims.push_back(Milliseconds(begun));
    if (runs.empty()) {
      ++tally->in_vain;
      if (++in_vain > kMostInVain) {
        return absl::OutOfRangeError("nothing is due any more: give a larger --due");
      }
      continue;
    }
    in_vain = 0;
    const Lease lease{.run_id = runs[0].id, .epoch = runs[0].epoch};
    tally->claimed.push_back(runs[0].id);
    for (int step = 0; step < config.steps; ++step) {
      RETURN_IF_ERROR(store.BeginStep(lease, step, false, {}).status());
      RETURN_IF_ERROR(store.FinishStep(lease, step, {}));
      ++tally->steps;
    }
    RETURN_IF_ERROR(store.End(lease, jobs::RunState::kSucceeded, false, {}));
  }
  return absl::OkStatus();
}

absl::Status RunItems(const Config& config, const pg::Statement& claim, absl::Time end,
                      Tally* tally) {
  ASSIGN_OR_RETURN(const auto connection, pg::Connection::Open(config.database));
  while (absl::Now() < end) {
    const absl::Time begun = absl::Now();
    ASSIGN_OR_RETURN(const pg::Result item, connection->Exec(claim));
    tally->claims.push_back(Milliseconds(begun));
    if (item.rows() == 0) continue;  // the blocking one: another had it
    tally->claimed.push_back(item.Int(0, 0));
    for (int step = 0; step < config.steps; ++step) {
      RETURN_IF_ERROR(connection->Exec(kPlainStep, {std::string(item.Text(0, 0))}).status());
      ++tally->steps;
    }
  }
  return absl::OkStatus();
}

double At(std::vector<double>& sorted, double share) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)];
}

absl::Status Work(const Config& config) {
  RETURN_IF_ERROR(Fill(config));
  PgJobStore store(config.database, static_cast<int>(config.runners) + 1);
  std::vector<Tally> tallies(static_cast<std::size_t>(config.runners));
  std::vector<absl::Status> ends(tallies.size());
  const absl::Time begun = absl::Now();
  const absl::Time end = begun + config.time;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    threads.emplace_back([&, i] {
      ends[i] = config.way == "godwit"  ? RunJobs(config, store, end, &tallies[i])
                : config.way == "plain" ? RunItems(config, kPlainClaim, end, &tallies[i])
                                        : RunItems(config, kBlockingClaim, end, &tallies[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begun);
  for (const absl::Status& status : ends) RETURN_IF_ERROR(status);
  Tally all;
  for (Tally& one : tallies) {
    all.claims.insert(all.claims.end(), one.claims.begin(), one.claims.end());
    all.claimed.insert(all.claimed.end(), one.claimed.begin(), one.claimed.end());
    all.steps += one.steps;
    all.in_vain += one.in_vain;
  }
  std::sort(all.claims.begin(), all.claims.end());
  std::sort(all.claimed.begin(), all.claimed.end());
  if (std::adjacent_find(all.claimed.begin(), all.claimed.end()) != all.claimed.end()) {
    return absl::InternalError("one server was given to two runners");
  }
  Print("result", {{"claims_per_second", static_cast<double>(all.claimed.size()) / seconds},
                   {"steps_per_second", static_cast<double>(all.steps) / seconds},
                   {"claim_p50_ms", At(all.claims, 0.5)},
                   {"claim_p99_ms", At(all.claims, 0.99)},
                   {"claim_most_ms", At(all.claims, 1)},
                   {"claimed", all.claimed.size()},
                   {"claims_in_vain", all.in_vain}});
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-jobs", "Runners against one PostgreSQL with many due servers.");
  flags.String("database", &config.database, "libpq conninfo; schemas made by godwit-migrate");
  flags.String("way", &config.way, "godwit, plain (SKIP LOCKED) or blocking (FOR UPDATE alone)");
  flags.Int("due", &config.due, 1, 10'000'000, "servers that are due");
  flags.Int("servers-of-job", &config.servers_of_job, 1, 100'000, "servers of each job");
  flags.Int("steps", &config.steps, 1, 100, "steps of each server");
  flags.Int("runners", &config.runners, 1, 256, "threads that claim");
  flags.Int("most-of-job", &config.most_of_job, 0, 1000, "share of one job; 0: no bound");
  flags.Duration("for", &config.time, "how long");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Work(config); });
}
