// godwit-bench-fleet: simulated agents, workers and users of a large fleet, against real services.
//
// Orders on standard input, each answered by one line:
//   enrol N               enrols until there are N servers            -> enrolled
//   workers DIR...        one worker for each folder with its key     -> workers
//   storm                 all agents connect and beat at once          -> storm
//   settle SECONDS        slow heartbeats until all are told to replicate and have a point ->
//   settled beat RATE SECONDS     heartbeats, 0: as fast as they are answered  -> beat disconnect
//   closes the agents' connections               -> disconnected stop
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/programs/fleet_agents.h"
#include "bench/programs/fleet_readers.h"
#include "bench/programs/fleet_workers.h"
#include "bench/programs/json_line.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"

namespace godwit::bench {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kStormPatience = absl::Minutes(5);
constexpr double kSettleRate = 500;
constexpr int kWatched = 200;

struct Config {
  std::string enrollment, registry, replication, ca_file, token, user_tls_dir;
  std::int64_t in_flight = 256, enrolments_at_once = 16, servers_of_worker = 1000;
};

class Fleet {
 public:
  static absl::StatusOr<std::unique_ptr<Fleet>> Make(const Config& config) {
    ASSIGN_OR_RETURN(const std::string ca, ReadFile(config.ca_file));
    ASSIGN_OR_RETURN(const rpc::TlsMaterial user, rpc::LoadTls(config.user_tls_dir));
    return std::unique_ptr<Fleet>(new Fleet(config, ca, user));
  }

  absl::Status Run() {
    Orders orders;
    Print("ready");
    while (true) {
      const auto words = orders.Next(absl::Seconds(1));
      if (!words || (!words->empty() && words->front() == "stop")) return absl::OkStatus();
      if (!words->empty()) RETURN_IF_ERROR(Obey(*words));
    }
  }

 private:
  Fleet(const Config& config, const std::string& ca, rpc::TlsMaterial user)
      : config_(config),
        user_(std::move(user)),
        agents_({.enrollment = config.enrollment,
                 .registry = config.registry,
                 .replication = config.replication,
                 .ca = ca,
                 .token = config.token}) {}

  absl::Status Obey(const std::vector<std::string>& words) {
    const auto number = [&](std::size_t i) {
      double value = 0;
      return i < words.size() && absl::SimpleAtod(words[i], &value) ? value : 0;
    };
    if (words[0] == "enrol") return Enrol(static_cast<std::size_t>(number(1)));
    if (words[0] == "workers") return Workers({words.begin() + 1, words.end()});
    if (words[0] == "storm") return Storm();
    if (words[0] == "settle") return Settle(absl::Seconds(number(1)));
    if (words[0] == "beat") return Beat(number(1), absl::Seconds(number(2)));
    if (words[0] == "disconnect") {
      agents_.Disconnect();
      Print("disconnected");
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("no order \"", words[0], "\""));
  }

  absl::Status Enrol(std::size_t count) {
    const absl::Time from = absl::Now();
    const std::size_t before = agents_.size();
    RETURN_IF_ERROR(agents_.Enrol(count, static_cast<int>(config_.enrolments_at_once)));
    Print("enrolled", {{"servers", agents_.size()},
                       {"new", agents_.size() - before},
                       {"seconds", absl::ToDoubleSeconds(absl::Now() - from)},
                       {"calls", agents_.latencies().Take()}});
    return absl::OkStatus();
  }

  absl::Status Workers(const std::vector<std::string>& tls_dirs) {
    ASSIGN_OR_RETURN(workers_, FleetWorkers::Start(config_.replication, tls_dirs,
                                                   static_cast<int>(config_.servers_of_worker)));
    Print("workers", {{"count", tls_dirs.size()}});
    return absl::OkStatus();
  }

  absl::Status Storm() {
    const absl::Time from = absl::Now();
    const std::size_t unanswered = agents_.Storm(kStormPatience);
    Print("storm", {{"seconds", absl::ToDoubleSeconds(absl::Now() - from)},
                    {"unanswered", unanswered},
                    {"calls", agents_.latencies().Take()}});
    return absl::OkStatus();
  }

  absl::Status Settle(absl::Duration patience) {
    if (workers_ == nullptr) return absl::FailedPreconditionError("settle: there are no workers");
    const absl::Time from = absl::Now();
    const std::size_t all = agents_.size();
    while (absl::Now() - from < patience &&
           (agents_.replicating() < all || workers_->leases() < all)) {
      agents_.Beat(kSettleRate, absl::Seconds(2), 0);
    }
    // A point for each, so that every server is as one that is followed.
    const double rate = 400;
    workers_->SetPointRate(rate);
    agents_.Beat(kSettleRate, absl::Seconds(1.3 * static_cast<double>(all) / rate), 0);
    workers_->SetPointRate(0);
    Print("settled", {{"seconds", absl::ToDoubleSeconds(absl::Now() - from)},
                      {"replicating", agents_.replicating()},
                      {"leases", workers_->leases()},
                      {"points", workers_->points().Take()}});
    agents_.latencies().Take();
    return absl::OkStatus();
  }

  absl::Status Beat(double rate, absl::Duration time) {
    std::vector<std::string> watched;
    for (std::size_t i = 0; i < agents_.size() && watched.size() < kWatched; ++i)
      watched.push_back(agents_.name(i * agents_.size() / kWatched % agents_.size()));
    FleetReaders readers({.registry = config_.registry,
                          .replication = config_.replication,
                          .tls = user_,
                          .servers = watched});
    if (workers_ != nullptr) workers_->heartbeats().Take();
    const absl::Time from = absl::Now();
    agents_.Beat(rate, time, static_cast<int>(config_.in_flight));
    Json line = {{"seconds", absl::ToDoubleSeconds(absl::Now() - from)},
                 {"rate", rate},
                 {"beats", agents_.latencies().Take()},
                 {"list_servers", readers.list_servers.Take()},
                 {"list_replications", readers.list_replications.Take()},
                 {"get_server", readers.get_server.Take()},
                 {"get_replication", readers.get_replication.Take()},
                 {"watch", readers.watch.Take()},
                 {"usage", Usage()}};
    if (workers_ != nullptr) line["worker_beats"] = workers_->heartbeats().Take();
    Print("beat", std::move(line));
    return absl::OkStatus();
  }

  const Config config_;
  const rpc::TlsMaterial user_;
  FleetAgents agents_;
  std::unique_ptr<FleetWorkers> workers_;
};

absl::Status Run(const Config& config) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Fleet> fleet, Fleet::Make(config));
  return fleet->Run();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-fleet", "Simulated agents, workers and users of a fleet.");
  flags.String("enrollment", &config.enrollment, "host:port where servers enrol");
  flags.String("registry", &config.registry, "host:port of the registry");
  flags.String("replication", &config.replication, "host:port of the coordinator");
  flags.String("ca", &config.ca_file, "file with the installation's CA");
  flags.String("token", &config.token, "installation token for all servers");
  flags.String("user-tls-dir", &config.user_tls_dir, "folder with the certificate of an operator");
  flags.Int("in-flight", &config.in_flight, 1, 100000, "heartbeats at once when the rate is 0");
  flags.Int("enrolments-at-once", &config.enrolments_at_once, 1, 256, "how many enrol at once");
  flags.Int("servers-of-worker", &config.servers_of_worker, 1, 10000,
            "servers that a worker takes");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
