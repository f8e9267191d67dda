#include <algorithm>
#include <map>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/replication_view.h"

namespace godwit::cli {
namespace {

std::string Labels(const google::protobuf::Map<std::string, std::string>& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  return sorted.empty() ? "-" : absl::StrJoin(sorted, ", ", absl::PairFormatter("="));
}

std::string OwnBytes(const replication::v1::Point& point) {
  return point.has_own_bytes() ? Bytes(point.own_bytes()) : "-";
}

std::string Expires(const replication::v1::Point& point) {
  if (point.pinned()) return "never (pinned)";
  if (point.has_expire_time()) return When(point.expire_time());
  return point.clone_count() > 0 ? "not while in use" : "not while the newest or asked for";
}

}  // namespace

void PrintPoints(const replication::v1::ListPointsResponse& list, std::ostream& out) {
  Table table(
      {"POINT", "OF", "CONSISTENCY", "CHANGED", "ALONE HOLDS", "EXPIRES", "CLONES", "DESCRIPTION"});
  for (const auto& point : list.points()) {
    table.Row({ShortName(point.name()), When(point.cut_time()), EnumWord(point.consistency()),
               Bytes(point.changed_bytes()), OwnBytes(point), Expires(point),
               absl::StrCat(point.clone_count()),
               point.description().empty() ? "-" : point.description()});
  }
  table.Print(out, "no points");
}

void PrintPoint(const replication::v1::Point& point, std::ostream& out) {
  Fields fields;
  fields.Add("Point", ShortName(point.name()));
  fields.Add("Equals the source at", When(point.cut_time()));
  fields.Add("Durable since", When(point.commit_time()));
  fields.Add("Consistency", EnumWord(point.consistency()));
  fields.Add("Epoch", absl::StrCat(point.epoch()));
  fields.Add("Changed", Bytes(point.changed_bytes()));
  if (ToDuration(point.freeze_time()) > absl::ZeroDuration()) {
    fields.Add("File systems frozen for", Span(point.freeze_time()));
  }
  if (point.has_quiesce_time()) fields.Add("Quiesced", When(point.quiesce_time()));
  fields.Add("Alone holds", OwnBytes(point));
  fields.Add("Expires", Expires(point));
  fields.Add("Description", point.description());
  fields.Add("Root hash", point.root_hash());
  fields.Print(out);
}

void PrintWorkers(const replication::v1::ListWorkersResponse& list, absl::Time now,
                  std::ostream& out) {
  Table table(
      {"WORKER", "STATE", "ENDPOINT", "SERVERS", "STORE FREE", "SEEN", "LABELS", "VERSION"});
  for (const auto& worker : list.workers()) {
    table.Row(
        {ShortName(worker.name()), EnumWord(worker.state()), worker.endpoint(),
         absl::StrCat(worker.server_count(), "/", worker.max_server_count()),
         absl::StrCat(Bytes(worker.store_free_bytes()), " of ", Bytes(worker.store_total_bytes())),
         worker.seen_time().seconds() == 0
             ? "-"
             : absl::StrCat(Span(std::max(absl::ZeroDuration(), now - ToTime(worker.seen_time()))),
                            " ago"),
         Labels(worker.labels()), worker.version().empty() ? "-" : worker.version()});
  }
  table.Print(out, "no workers");
}

}  // namespace godwit::cli
