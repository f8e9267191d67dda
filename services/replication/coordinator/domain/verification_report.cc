#include "services/replication/coordinator/domain/verification_report.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/json_log.h"

namespace godwit::coordinator {
namespace {

constexpr const char* kConsistencies[] = {"UNKNOWN", "CRASH_CONSISTENT", "FILESYSTEM_CONSISTENT",
                                          "APPLICATION_CONSISTENT"};

std::string ConsistencyWord(int number) {
  return kConsistencies[number > 0 && number < std::ssize(kConsistencies) ? number : 0];
}

std::string Text(absl::string_view text) { return absl::StrCat("\"", JsonEscape(text), "\""); }
std::string Text(absl::Time time) {
  return Text(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()));
}

// An object whose members stand `depth` levels deep.
class Object {
 public:
  explicit Object(int depth) : indent_(static_cast<std::size_t>(depth) * 2, ' ') {}
  Object& Add(absl::string_view name, const std::string& value) {
    members_.push_back(absl::StrCat(indent_, "\"", name, "\": ", value));
    return *this;
  }
  Object& Add(absl::string_view name, std::int64_t value) { return Add(name, absl::StrCat(value)); }
  std::string Json() const {
    return absl::StrCat("{\n", absl::StrJoin(members_, ",\n"), "\n", indent_.substr(2), "}");
  }

 private:
  const std::string indent_;
  std::vector<std::string> members_;
};

template <typename Items, typename Write>
std::string List(const Items& items, Write write) {
  if (items.empty()) return "[]";
  std::vector<std::string> out;
  for (const auto& item : items) out.push_back(absl::StrCat("    ", write(item).Json()));
  return absl::StrCat("[\n", absl::StrJoin(out, ",\n"), "\n  ]");
}

}  // namespace

std::string ReportText(const ReportFacts& facts) {
  const Verification& done = facts.verification;
  const std::string server = absl::StrCat("sourceServers/", done.server_id);
  Object report(1);
  report.Add("type", Text("godwit verification report"))
      .Add("format", 1)
      .Add("server", Text(server))
      .Add("verification", Text(absl::StrCat(server, "/verifications/", done.id)))
      .Add("create_time", Text(done.create_time))
      .Add("compare_start_time", Text(done.start_time.value_or(done.create_time)))
      .Add("compare_end_time", Text(done.end_time.value_or(facts.end_time)))
      .Add("end_time", Text(facts.end_time))
      .Add("disks", List(facts.disks,
                         [](const Disk& disk) {
                           return Object(3)
                               .Add("id", Text(disk.disk_id))
                               .Add("device_name", Text(disk.device_name))
                               .Add("size_bytes", disk.size_bytes);
                         }))
      .Add("compared_bytes", done.compared_bytes)
      .Add("total_bytes", done.total_bytes)
      .Add("difference_count", done.difference_count)
      .Add("differences", List(done.differences,
                               [](const Difference& row) {
                                 return Object(3)
                                     .Add("disk_id", Text(row.disk_id))
                                     .Add("offset_bytes", row.offset_bytes)
                                     .Add("size_bytes", row.size_bytes)
                                     .Add("found_time", Text(row.found_time))
                                     .Add("cause", Text(CauseWord(row.cause)));
                               }))
      .Add("point", Object(2)
                        .Add("name", Text(absl::StrCat(server, "/points/", done.point_id)))
                        .Add("epoch", facts.epoch)
                        .Add("cut_time", Text(facts.cut_time))
                        .Add("consistency", Text(ConsistencyWord(facts.consistency)))
                        .Add("root_hash", Text(done.root_hash))
                        .Json())
      .Add("coordinator_version", Text(facts.coordinator_version));
  return absl::StrCat(report.Json(), "\n");
}

}  // namespace godwit::coordinator
