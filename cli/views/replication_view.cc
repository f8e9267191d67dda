#include "cli/views/replication_view.h"

#include <algorithm>
#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/verification_view.h"

namespace godwit::cli {
namespace {

using replication::v1::Bottleneck;
using replication::v1::Replication;

std::int64_t TotalBytes(const Replication& replication) {
  std::int64_t total = 0;
  for (const auto& disk : replication.disks()) total += disk.total_bytes();
  return total;
}

std::int64_t ReplicatedBytes(const Replication& replication) {
  std::int64_t done = 0;
  for (const auto& disk : replication.disks()) done += disk.replicated_bytes();
  return done;
}

std::string Left(const Replication& replication, absl::Time now) {
  const bool catches_up = replication.state() == Replication::INITIAL_SYNC ||
                          replication.state() == Replication::BACKLOG ||
                          replication.state() == Replication::RESCAN;
  if (!replication.has_eta_time() || !catches_up) return "";
  return Span(std::max(absl::ZeroDuration(), ToTime(replication.eta_time()) - now));
}

std::string Lag(const Replication& replication) {
  return replication.has_lag() ? Span(replication.lag()) : "-";
}

std::string BottleneckText(const Bottleneck& bottleneck) {
  if (bottleneck.stage() == 0 || bottleneck.stage() == Bottleneck::IDLE) return "";
  return absl::StrCat(EnumWord(bottleneck.stage()), " (busy ", bottleneck.busy_permille() / 10,
                      "%)", bottleneck.action().empty() ? "" : ": ", bottleneck.action());
}

std::string SharesText(const Bottleneck& bottleneck) {
  std::vector<std::string> parts;
  for (const auto& share : bottleneck.shares()) {
    parts.push_back(absl::StrCat(EnumWord(share.stage()), " ", share.permille() / 10, "%"));
  }
  return absl::StrJoin(parts, ", ");
}

void AddHealth(const replication::v1::CaptureHealth& health, Fields& fields) {
  std::vector<std::string> parts;
  for (const auto& loss : health.losses())
    parts.push_back(absl::StrCat(EnumWord(loss.kind()), " ", loss.count()));
  fields.Add("Lost on the source", absl::StrJoin(parts, ", "));
  if (health.rescan_count() == 0) return;
  fields.Add("Disks compared",
             absl::StrCat(health.rescan_count(), ", last at ", When(health.rescan_time()), ": ",
                          health.rescan_reason()));
}

std::string Ago(const google::protobuf::Timestamp& time, absl::Time now) {
  if (time.seconds() == 0) return "-";
  return absl::StrCat(Span(std::max(absl::ZeroDuration(), now - ToTime(time))), " ago");
}

void PrintInitiation(const Replication& replication, std::ostream& out) {
  const bool over =
      std::all_of(replication.initiation_steps().begin(), replication.initiation_steps().end(),
                  [](const auto& step) {
                    return step.status() == replication::v1::InitiationStep::SUCCEEDED ||
                           step.status() == replication::v1::InitiationStep::SKIPPED;
                  });
  if (replication.initiation_steps().empty() || over) return;
  out << "\nInitiation\n";
  Table table({"STEP", "STATUS"});
  for (const auto& step : replication.initiation_steps()) {
    table.Row({EnumWord(step.step()), EnumWord(step.status())});
  }
  table.Print(out, "");
}

}  // namespace

std::string ServerOf(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  return parts.size() < 2 ? std::string(name) : absl::StrCat(parts[0], "/", parts[1]);
}

double InitialSyncFraction(const Replication& replication) {
  const std::int64_t total = TotalBytes(replication);
  if (total <= 0) return -1;
  return std::clamp(static_cast<double>(ReplicatedBytes(replication)) / static_cast<double>(total),
                    0.0, 1.0);
}

std::string ReplicationFigures(const Replication& replication, absl::Time now) {
  std::vector<std::string> parts;
  if (replication.state() == Replication::INITIATING) {
    for (const auto& step : replication.initiation_steps()) {
      if (step.status() == replication::v1::InitiationStep::IN_PROGRESS)
        parts.push_back(EnumWord(step.step()));
    }
    return absl::StrJoin(parts, ", ");
  }
  if (replication.state() == Replication::STALLED) {
    return absl::StrCat(EnumWord(replication.stall_cause()),
                        replication.error().message().empty() ? "" : ": ",
                        replication.error().message());
  }
  if (replication.state() == Replication::INITIAL_SYNC) {
    parts.push_back(
        absl::StrCat(Bytes(ReplicatedBytes(replication)), " of ", Bytes(TotalBytes(replication))));
  } else if (replication.has_lag()) {
    parts.push_back(absl::StrCat("lag ", Lag(replication)));
  }
  // During initial sync the backlog is what is left of it.
  if (replication.backlog_bytes() > 0 && replication.state() != Replication::INITIAL_SYNC) {
    parts.push_back(absl::StrCat("backlog ", Bytes(replication.backlog_bytes())));
  }
  if (replication.bytes_per_second() > 0) {
    parts.push_back(absl::StrCat(Bytes(replication.bytes_per_second()), "/s"));
  }
  if (const std::string left = Left(replication, now); !left.empty())
    parts.push_back(absl::StrCat(left, " left"));
  return absl::StrJoin(parts, ", ");
}

void PrintReplications(const replication::v1::ListReplicationsResponse& list,
                       const std::map<std::string, std::string>& hosts, absl::Time now,
                       std::ostream& out) {
  Table table(
      {"SERVER", "HOST", "STATE", "LAG", "BACKLOG", "SPEED", "LEFT", "AGENT SEEN", "WORKER"});
  for (const Replication& replication : list.replications()) {
    const std::string server = ServerOf(replication.name());
    const auto host = hosts.find(server);
    const std::string left = Left(replication, now);
    std::string state = EnumWord(replication.state());
    if (replication.state() == Replication::STALLED) {
      absl::StrAppend(&state, " (", EnumWord(replication.stall_cause()), ")");
    }
    table.Row({ShortName(server), host == hosts.end() ? "-" : host->second, state, Lag(replication),
               Bytes(replication.backlog_bytes()),
               absl::StrCat(Bytes(replication.bytes_per_second()), "/s"), left.empty() ? "-" : left,
               Ago(replication.agent_seen_time(), now), ShortName(replication.worker())});
  }
  table.Print(out, "no server replicates");
}

void PrintReplication(const Replication& replication, absl::Time now, std::ostream& out) {
  Fields fields;
  fields.Add("Replication", absl::StrCat(EnumWord(replication.state()), " since ",
                                         When(replication.state_time())));
  if (replication.stall_cause() != 0) fields.Add("Stalled by", EnumWord(replication.stall_cause()));
  fields.Add("Error", replication.error().message());
  fields.Add("Lag", Lag(replication));
  fields.Add("Backlog", Bytes(replication.backlog_bytes()));
  const std::string left = Left(replication, now);
  fields.Add("Ends",
             left.empty() ? "" : absl::StrCat("in ", left, ", ", When(replication.eta_time())));
  fields.Add("Speed", absl::StrCat(Bytes(replication.bytes_per_second()), "/s"));
  fields.Add("Sent", replication.sent_bytes() == 0
                         ? ""
                         : absl::StrCat(Bytes(replication.sent_bytes()), " (",
                                        Bytes(replication.wire_bytes()), " on the wire",
                                        replication.codec().empty() ? "" : ", now ",
                                        replication.codec(), ")"));
  fields.Add("Bottleneck", BottleneckText(replication.bottleneck()));
  fields.Add("Time spent in", SharesText(replication.bottleneck()));
  fields.Add("Worker", replication.worker().empty() ? "none" : ShortName(replication.worker()));
  fields.Add("Agent seen", Ago(replication.agent_seen_time(), now));
  fields.Add("Latest point", replication.latest_point().empty()
                                 ? "none"
                                 : absl::StrCat(ShortName(replication.latest_point()), " of ",
                                                When(replication.latest_point_time())));
  fields.Add("Verified",
             replication.has_verified_time() ? When(replication.verified_time()) : "not yet");
  const std::int64_t differences = replication.difference_count();
  fields.Add("Differences",
             differences == 0
                 ? ""
                 : absl::StrCat(Blocks(differences), " of the replica not as the source had it"));
  fields.Add("Stored",
             replication.stored_bytes() == 0
                 ? ""
                 : absl::StrCat(Bytes(replication.stored_bytes()), " with all points and clones"));
  AddHealth(replication.health(), fields);
  fields.Print(out);
  PrintDifferences("Newest differences", replication.differences(), out);
  PrintInitiation(replication, out);
  if (replication.disks().empty()) return;
  out << "\nReplicated disks\n";
  Table table({"DEVICE", "SIZE", "REPLICATED", "RESCANNED", "BACKLOG", "TRACKER"});
  for (const auto& disk : replication.disks()) {
    table.Row({disk.device_name(), Bytes(disk.total_bytes()), Bytes(disk.replicated_bytes()),
               Bytes(disk.rescanned_bytes()), Bytes(disk.backlog_bytes()),
               disk.tracker().empty() ? "-" : disk.tracker()});
  }
  table.Print(out, "");
}

std::string ReplicationLine(const Replication& replication, absl::Time now) {
  const std::string figures = ReplicationFigures(replication, now);
  return Plain(absl::StrCat(ShortName(ServerOf(replication.name())), ": ",
                            EnumWord(replication.state()), figures.empty() ? "" : ", ", figures));
}

}  // namespace godwit::cli
