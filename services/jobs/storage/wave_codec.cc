#include "services/jobs/storage/wave_codec.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

json Parse(absl::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

// What is missing or of another type leaves `out` as it is: a version that knew less wrote it.
template <typename Number>
void Get(const json& object, const char* key, Number* out) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if constexpr (std::is_same_v<Number, bool>) {
    if (found->is_boolean()) *out = found->get<bool>();
  } else {
    if (found->is_number_integer()) *out = static_cast<Number>(found->get<std::int64_t>());
  }
}
void Get(const json& object, const char* key, std::string* out) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_string()) *out = found->get<std::string>();
}

json ToJson(const WaveCheck& check) {
  json out = {{"kind", static_cast<int>(check.kind)}, {"server", check.server}};
  switch (check.kind) {
    case WaveCheck::Kind::kTcp:
      out["port"] = check.tcp_port;
      break;
    case WaveCheck::Kind::kHttp:
      out["port"] = check.http.guest_port;
      out["path"] = check.http.path;
      out["status"] = check.http.status;
      out["contains"] = check.http.body_contains;
      break;
    case WaveCheck::Kind::kCommand:
      out["command"] = check.command.command;
      out["exit_code"] = check.command.exit_code;
      out["contains"] = check.command.output_contains;
      break;
  }
  return out;
}

WaveCheck CheckFromJson(const json& object) {
  WaveCheck check;
  Get(object, "kind", &check.kind);
  Get(object, "server", &check.server);
  if (check.kind == WaveCheck::Kind::kTcp) {
    Get(object, "port", &check.tcp_port);
  } else if (check.kind == WaveCheck::Kind::kHttp) {
    Get(object, "port", &check.http.guest_port);
    Get(object, "path", &check.http.path);
    Get(object, "status", &check.http.status);
    Get(object, "contains", &check.http.body_contains);
  } else {
    Get(object, "command", &check.command.command);
    Get(object, "exit_code", &check.command.exit_code);
    Get(object, "contains", &check.command.output_contains);
  }
  return check;
}

}  // namespace

std::string OptionsToJson(const WaveOptions& options) {
  return json({{"max_parallel_servers", options.max_parallel_servers},
               {"max_machines", options.max_machines},
               {"remove_test_machines", options.remove_test_machines},
               {"stop_after_failed", options.stop_after_failed},
               {"keep_agent", options.keep_agent}})
      .dump();
}

absl::StatusOr<WaveOptions> OptionsFromJson(absl::string_view text) {
  const json object = Parse(text);
  if (!object.is_object()) return absl::InternalError("options of a wave run: no object");
  WaveOptions options;
  Get(object, "max_parallel_servers", &options.max_parallel_servers);
  Get(object, "max_machines", &options.max_machines);
  Get(object, "remove_test_machines", &options.remove_test_machines);
  Get(object, "stop_after_failed", &options.stop_after_failed);
  Get(object, "keep_agent", &options.keep_agent);
  return options;
}

std::string ChecksToJson(const std::vector<WaveCheck>& checks) {
  json out = json::array();
  for (const WaveCheck& check : checks) out.push_back(ToJson(check));
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<std::vector<WaveCheck>> ChecksFromJson(absl::string_view text) {
  const json list = Parse(text);
  if (!list.is_array()) return absl::InternalError("checks of a wave run: no array");
  std::vector<WaveCheck> out;
  for (const json& entry : list) {
    if (!entry.is_object()) return absl::InternalError("checks of a wave run: no object");
    out.push_back(CheckFromJson(entry));
  }
  return out;
}

}  // namespace godwit::jobs
