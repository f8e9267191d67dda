#include "agent/commands/status_text.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::agent {
namespace {

using nlohmann::json;

// Numbers of 64 bits are text in the JSON form of messages.
double Bytes(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  return found->is_string()   ? std::atof(found->get<std::string>().c_str())
         : found->is_number() ? found->get<double>()
                              : 0;
}

std::string Text(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string()
             ? object[key].get<std::string>()
             : "";
}

bool Flag(const json& object, const char* key) {
  return object.contains(key) && object[key].is_boolean() && object[key].get<bool>();
}

const json& List(const json& object, const char* key) {
  static const json empty = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : empty;
}

std::string DiskText(const json& disk, const json& progress) {
  const std::string head = absl::StrFormat("disk         %s  %.1f GiB  %s  ", Text(disk, "device"),
                                           Bytes(disk, "bytes") / (1 << 30), Text(disk, "disk_id"));
  if (Flag(disk, "missing")) return head + "not there any more\n";
  if (!Flag(disk, "replicated")) {
    const std::string reason = Text(disk, "reason");
    return absl::StrCat(head, "not replicated", reason.empty() ? "" : ": ", reason, "\n");
  }
  double pending = 0;
  for (const json& part : List(progress, "disks")) {
    if (Text(part, "diskId") == Text(disk, "disk_id")) pending = Bytes(part, "pendingBytes");
  }
  std::string out = absl::StrFormat("%sreplicated, %.1f MiB to send\n             %s\n", head,
                                    pending / (1 << 20), Text(disk, "tracker"));
  if (!Text(disk, "losses").empty())
    absl::StrAppend(&out, "             compared as a whole because of: ", Text(disk, "losses"),
                    "\n");
  return out;
}

std::string HealthText(const json& progress) {
  const auto found = progress.find("health");
  if (found == progress.end() || !found->is_object()) return "";
  const json& health = *found;
  std::string out;
  for (const json& loss : List(health, "losses")) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", Text(loss, "kind"), " ",
                    static_cast<std::int64_t>(Bytes(loss, "count")));
  }
  if (const double rescans = Bytes(health, "rescanCount"); rescans > 0) {
    absl::StrAppendFormat(&out, "%s%.0f whole disks compared, last at %s because of %s",
                          out.empty() ? "" : "; ", rescans, Text(health, "rescanTime"),
                          Text(health, "rescanReason"));
  }
  return out;
}

}  // namespace

std::string StatusText(const json& status) {
  const json empty = json::object();
  const auto found = status.find("progress");
  const json& progress = found != status.end() && found->is_object() ? *found : empty;
  std::string out;
  const auto line = [&out](const char* name, const std::string& value) {
    if (!value.empty()) absl::StrAppendFormat(&out, "%-13s%s\n", name, value);
  };
  line("server", Text(status, "server"));
  line("version", Text(status, "version"));
  line("coordinator",
       absl::StrCat(Text(status, "replication"), " (", Text(status, "coordinator"), ")"));
  line("directive", Text(status, "action"));
  line("phase", Text(progress, "phase"));
  line("lag", Text(progress, "lag"));
  line("points", Text(status, "points"));
  line("boot files", Text(status, "first_blocks"));
  line("losses", HealthText(progress));
  if (Bytes(progress, "changedBytesPerSecond") + Bytes(progress, "bytesPerSecond") > 0) {
    line("rates", absl::StrFormat("changes %.1f MiB/s, sends %.1f MiB/s",
                                  Bytes(progress, "changedBytesPerSecond") / (1 << 20),
                                  Bytes(progress, "bytesPerSecond") / (1 << 20)));
  }
  line("up to date", Text(progress, "convergesIn").empty()
                         ? ""
                         : absl::StrCat("in ", Text(progress, "convergesIn")));
  line("stalled by", Text(progress, "stallCause"));
  line("problem", Text(progress, "errorMessage"));
  for (const json& disk : List(status, "disks")) out += DiskText(disk, progress);
  return out;
}

}  // namespace godwit::agent
