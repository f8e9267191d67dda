// godwit-bench-worker: the block stream service and the file store of the product with leases that
// are given on the command line, and a JSON line for every committed point.
//
// Orders on standard input: "clone SERVER EPOCH" (prints the clone's files), "usage", "stop".
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "bench/programs/discard_store.h"
#include "bench/programs/json_line.h"
#include "bench/programs/push.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/ids.h"
#include "services/common/base/process.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"

namespace godwit::bench {
namespace {

struct Config {
  std::string store, listen = "127.0.0.1:0", worker, tls_dir;
  std::vector<std::string> leases;
  bool turns = true;
};

// "s-...=d-...:BYTES[,d-...:BYTES]"; without disks the one that is pushed to.
absl::StatusOr<std::map<std::string, worker::Lease>> ParseLeases(
    const std::vector<std::string>& arguments) {
  std::map<std::string, worker::Lease> leases;
  for (const std::string& argument : arguments) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    RETURN_IF_ERROR(CheckId("--lease", "s-", pair.first));
    worker::Lease lease{.generation = 1};
    for (const absl::string_view disk : absl::StrSplit(pair.second, ',', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(disk, ':');
      store::DiskSpec spec{.disk_id = parts.first, .device_name = "/dev/sda"};
      if (!absl::SimpleAtoi(parts.second, &spec.size_bytes)) {
        return absl::InvalidArgumentError("--lease: SERVER=DISK:BYTES,... is needed");
      }
      lease.disks.push_back(std::move(spec));
    }
    if (lease.disks.empty()) {
      lease.disks = {
          {.disk_id = kPushedDisk, .device_name = "/dev/sda", .size_bytes = kPushedDiskBytes}};
    }
    leases[pair.first] = std::move(lease);
  }
  return leases;
}

// Certificates of a CA of this run: <dir>/<id>/{tls.crt,tls.key,ca.crt} for each principal.
absl::Status WritePki(const std::string& dir, const std::vector<std::string>& principals) {
  ASSIGN_OR_RETURN(const rpc::CaMaterial ca,
                   rpc::MakeCa("Godwit bench CA", absl::Hours(48), absl::Now()));
  for (const std::string& principal : principals) {
    ASSIGN_OR_RETURN(const rpc::Identity identity, rpc::ParsePrincipal(principal));
    ASSIGN_OR_RETURN(const rpc::KeyAndCsr key, rpc::MakeKeyAndCsr(principal));
    ASSIGN_OR_RETURN(const std::string chain, rpc::Issue(ca, key.csr_pem,
                                                         {.identity = identity,
                                                          .lifetime = absl::Hours(24),
                                                          .server = true,
                                                          .now = absl::Now()}));
    const std::string folder = absl::StrCat(dir, "/", identity.id);
    RETURN_IF_ERROR(MakeDirs(folder, 0700));
    RETURN_IF_ERROR(WriteFileAtomically(folder + "/tls.crt", chain));
    RETURN_IF_ERROR(WriteFileAtomically(folder + "/tls.key", key.private_key_pem));
    RETURN_IF_ERROR(WriteFileAtomically(folder + "/ca.crt", ca.certificate_pem));
  }
  return absl::OkStatus();
}

absl::Status Clone(worker::GroupHost& host, const std::string& server, const std::string& epoch) {
  std::int64_t number = 0;
  if (!absl::SimpleAtoi(epoch, &number)) return absl::InvalidArgumentError("clone: no epoch");
  ASSIGN_OR_RETURN(const auto hosted, host.Open(server, 1));
  ASSIGN_OR_RETURN(const auto files, hosted->group->CreateClone(NewId("c-"), number));
  nlohmann::json paths = nlohmann::json::array();
  for (const store::CloneFile& file : files) paths.push_back(file.path);
  Print("clone", {{"server", server}, {"paths", paths}});
  return absl::OkStatus();
}

absl::Status Run(const Config& config) {
  ASSIGN_OR_RETURN(const auto leased, ParseLeases(config.leases));
  if (leased.empty()) return absl::InvalidArgumentError("--lease is needed");
  std::vector<std::string> principals = {absl::StrCat("worker/", config.worker)};
  for (const auto& [server, lease] : leased) principals.push_back(absl::StrCat("agent/", server));
  RETURN_IF_ERROR(WritePki(config.tls_dir, principals));
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls,
                   rpc::LoadTls(absl::StrCat(config.tls_dir, "/", config.worker)));
  std::unique_ptr<store::Store> store = OpenDiscardStore();
  if (!config.store.empty()) {
    ASSIGN_OR_RETURN(store, store::OpenFileStore(config.store));
  }
  worker::LeaseTable leases(RealClock());
  leases.Renew(RealClock().Monotonic(), absl::Hours(24), leased);
  worker::GroupHost host(*store, leases);
  worker::BlockStreamService service(
      host, leases, {.turns = config.turns},
      [](const std::string& server, std::int64_t, const store::PointFacts& facts) {
        nlohmann::json line = Usage();
        line["server"] = server;
        line["epoch"] = facts.epoch;
        line["changed_bytes"] = facts.changed_bytes;
        line["request_id"] = facts.request_id;
        line["freeze_seconds"] = absl::ToDoubleSeconds(facts.freeze_time);
        line["lag_seconds"] = absl::ToDoubleSeconds(absl::Now() - facts.cut_time);
        Print("point", std::move(line));
      });
  ASSIGN_OR_RETURN(const auto server,
                   rpc::Server::Start({.listen = config.listen,
                                       .tls = tls,
                                       .max_threads = static_cast<int>(leased.size() * 4 + 16),
                                       .max_message_bytes = 8 << 20,
                                       .traffic = rpc::Traffic::kData},
                                      {&service}));
  Print("serving", {{"port", server->port()}});
  Orders orders;
  while (const auto order = orders.Next(absl::Milliseconds(200))) {
    const std::string verb = order->empty() ? "" : order->front();
    if (verb == "stop") break;
    if (verb == "usage") Print("usage", Usage());
    if (verb == "clone" && order->size() == 3) {
      const absl::Status status = Clone(host, (*order)[1], (*order)[2]);
      if (!status.ok()) Print("failed", {{"message", status.ToString()}});
    }
  }
  host.CloseAll();
  server->Stop();
  Print("end", Usage());
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::TuneProcess();
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-worker", "The worker's data plane under measurement.");
  flags.String("store", &config.store, "folder of the staging store; none: all is thrown away");
  flags.String("listen", &config.listen, "address:port of the block stream");
  flags.String("worker", &config.worker, "id of this worker (w-...)");
  flags.String("tls-dir", &config.tls_dir, "folder that receives the certificates of all parties");
  flags.Bool("turns", &config.turns, "servers take turns at the store");
  flags.Strings("lease", &config.leases, "SERVER=DISK:BYTES,...; may be repeated");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
