#include "services/jobs/storage/codec.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

json Parse(absl::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

// Length of the UTF-8 sequence at the beginning of `text`, 0 when it is none.
std::size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, above U+10FFFF.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
      (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return length;
}

// Reads fields of one object; remembers the first one that is wrong.
class Reader {
 public:
  Reader(const json& object, std::string* wrong) : object_(object), wrong_(wrong) {}

  void Get(const char* key, std::string* out) const {
    const auto found = Find(key);
    if (found != nullptr && found->is_string()) {
      *out = found->get<std::string>();
    } else {
      Wrong(key);
    }
  }
  void Get(const char* key, bool* out) const {
    const auto found = Find(key);
    if (found != nullptr && found->is_boolean()) {
      *out = found->get<bool>();
    } else {
      Wrong(key);
    }
  }
  template <typename Number>
  void GetNumber(const char* key, Number* out) const {
    const auto found = Find(key);
    if (found != nullptr && found->is_number_integer()) {
      *out = static_cast<Number>(found->get<std::int64_t>());
    } else {
      Wrong(key);
    }
  }
  // Calls `read` with each element, which must be an object.
  template <typename Read>
  void Each(const char* key, const Read& read) const {
    const auto found = Find(key);
    if (found == nullptr || !found->is_array()) return Wrong(key);
    for (const json& element : *found) read(Reader(element, wrong_));
  }
  bool Has(const char* key) const { return Find(key) != nullptr; }
  void GetTexts(const char* key, std::map<std::string, std::string>* out) const {
    const auto found = Find(key);
    if (found == nullptr || !found->is_object()) return Wrong(key);
    for (const auto& [name, value] : found->items()) {
      if (!value.is_string()) return Wrong(key);
      (*out)[name] = value.get<std::string>();
    }
  }
  Reader Inner(const char* key) const {
    static const json kNone = json::object();
    const auto found = Find(key);
    if (found == nullptr || !found->is_object()) {
      Wrong(key);
      return Reader(kNone, wrong_);
    }
    return Reader(*found, wrong_);
  }

 private:
  const json* Find(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  void Wrong(const char* key) const {
    if (wrong_->empty()) *wrong_ = key;
  }

  const json& object_;
  std::string* wrong_;
};

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ProofToJson(const BootProof& proof) {
  json out = {{"timeout_ms", absl::ToInt64Milliseconds(proof.timeout)},
              {"console_text", Clean(proof.console_text)},
              {"tcp_ports", json::array()},
              {"http_checks", json::array()},
              {"guest_agent", proof.guest_agent},
              {"commands", json::array()}};
  for (const CommandCheck& check : proof.commands) {
    out["commands"].push_back({{"command", Clean(check.command)},
                               {"exit_code", check.exit_code},
                               {"output_contains", Clean(check.output_contains)}});
  }
  for (const int port : proof.tcp_ports) out["tcp_ports"].push_back({{"port", port}});
  for (const HttpCheck& check : proof.http_checks) {
    out["http_checks"].push_back({{"port", check.guest_port},
                                  {"path", Clean(check.path)},
                                  {"status", check.status},
                                  {"body_contains", Clean(check.body_contains)}});
  }
  return out;
}

json TextsToJson(const std::map<std::string, std::string>& map) {
  json out = json::object();
  for (const auto& [key, value] : map) out[Clean(key)] = Clean(value);
  return out;
}

json ActionsToJson(const std::vector<PostLaunchAction>& actions) {
  json out = json::array();
  for (const PostLaunchAction& action : actions) {
    out.push_back({{"id", Clean(action.id)},
                   {"order", action.order},
                   {"command", Clean(action.command)},
                   {"timeout_ms", absl::ToInt64Milliseconds(action.timeout)},
                   {"must_succeed", action.must_succeed},
                   {"operating_system", Clean(action.operating_system)},
                   {"deployment", static_cast<int>(action.deployment)},
                   {"active", action.active},
                   {"parameters", TextsToJson(action.parameters)},
                   {"transport", static_cast<int>(action.transport)}});
  }
  return out;
}

json SettingsToJson(const LaunchSettings& settings) {
  json out = {{"target", Clean(settings.target)},
              {"profile", Clean(settings.profile)},
              {"boot_mode", static_cast<int>(settings.boot_mode)},
              {"disposition", static_cast<int>(settings.disposition)},
              {"right_sizing", static_cast<int>(settings.right_sizing)},
              {"cpu_count", settings.cpu_count},
              {"memory_bytes", settings.memory_bytes},
              {"machine_name", Clean(settings.machine_name)},
              {"nics", json::array()},
              {"test_network", static_cast<int>(settings.test_network)},
              {"cutover_network", static_cast<int>(settings.cutover_network)},
              {"port_forwards", json::array()},
              {"boot_proof", ProofToJson(settings.boot_proof)},
              {"quiesce", settings.quiesce_source_on_cutover},
              {"copy_tags", settings.copy_tags},
              {"copy_private_ip", settings.copy_private_ip},
              {"licensing", static_cast<int>(settings.licensing)},
              {"licensing_note", Clean(settings.licensing_note)},
              {"disk_bus", Clean(settings.disk_bus)},
              {"machine_tags", TextsToJson(settings.machine_tags)},
              {"windows_allow_unclean", settings.windows_allow_unclean},
              {"export_format", Clean(settings.export_format)},
              {"actions", ActionsToJson(settings.actions)}};
  for (const Nic& nic : settings.nics) {
    out["nics"].push_back({{"mac", Clean(nic.mac_address)},
                           {"address", Clean(nic.static_address)},
                           {"gateway", Clean(nic.gateway)},
                           {"bridge", Clean(nic.bridge)}});
  }
  for (const PortForward& forward : settings.port_forwards) {
    out["port_forwards"].push_back({{"guest_port", forward.guest_port},
                                    {"host_port", forward.host_port},
                                    {"host_address", Clean(forward.host_address)}});
  }
  return out;
}

BootProof ReadProof(const Reader& in) {
  BootProof proof;
  std::int64_t timeout = 0;
  in.GetNumber("timeout_ms", &timeout);
  proof.timeout = absl::Milliseconds(timeout);
  in.Get("console_text", &proof.console_text);
  in.Each("tcp_ports",
          [&](const Reader& port) { port.GetNumber("port", &proof.tcp_ports.emplace_back()); });
  in.Each("http_checks", [&](const Reader& check) {
    HttpCheck& out = proof.http_checks.emplace_back();
    check.GetNumber("port", &out.guest_port);
    check.Get("path", &out.path);
    check.GetNumber("status", &out.status);
    check.Get("body_contains", &out.body_contains);
  });
  // What follows is absent from runs of older versions.
  if (in.Has("guest_agent")) in.Get("guest_agent", &proof.guest_agent);
  if (!in.Has("commands")) return proof;
  in.Each("commands", [&](const Reader& check) {
    CommandCheck& out = proof.commands.emplace_back();
    check.Get("command", &out.command);
    check.GetNumber("exit_code", &out.exit_code);
    check.Get("output_contains", &out.output_contains);
  });
  return proof;
}

PostLaunchAction ReadAction(const Reader& in) {
  PostLaunchAction out;
  std::int64_t timeout = 0;
  in.Get("id", &out.id);
  in.GetNumber("order", &out.order);
  in.Get("command", &out.command);
  in.GetNumber("timeout_ms", &timeout);
  out.timeout = absl::Milliseconds(timeout);
  in.Get("must_succeed", &out.must_succeed);
  in.Get("operating_system", &out.operating_system);
  in.GetNumber("deployment", &out.deployment);
  in.Get("active", &out.active);
  in.GetTexts("parameters", &out.parameters);
  in.GetNumber("transport", &out.transport);
  return out;
}

// Fields that runs of older versions lack.
void ReadNewSettings(const Reader& in, LaunchSettings* out) {
  if (!in.Has("actions")) return;
  in.Get("copy_tags", &out->copy_tags);
  in.Get("copy_private_ip", &out->copy_private_ip);
  in.GetNumber("licensing", &out->licensing);
  in.Get("licensing_note", &out->licensing_note);
  in.Get("disk_bus", &out->disk_bus);
  in.GetTexts("machine_tags", &out->machine_tags);
  if (in.Has("export_format")) in.Get("export_format", &out->export_format);
  in.Each("actions", [&](const Reader& action) { out->actions.push_back(ReadAction(action)); });
  if (in.Has("windows_allow_unclean")) in.Get("windows_allow_unclean", &out->windows_allow_unclean);
}

LaunchSettings ReadSettings(const Reader& in) {
  LaunchSettings out;
  in.Get("target", &out.target);
  in.Get("profile", &out.profile);
  in.GetNumber("boot_mode", &out.boot_mode);
  in.GetNumber("disposition", &out.disposition);
  in.GetNumber("right_sizing", &out.right_sizing);
  in.GetNumber("cpu_count", &out.cpu_count);
  in.GetNumber("memory_bytes", &out.memory_bytes);
  in.Get("machine_name", &out.machine_name);
  in.Each("nics", [&](const Reader& nic) {
    Nic& to = out.nics.emplace_back();
    nic.Get("mac", &to.mac_address);
    nic.Get("address", &to.static_address);
    nic.Get("gateway", &to.gateway);
    nic.Get("bridge", &to.bridge);
  });
  in.GetNumber("test_network", &out.test_network);
  in.GetNumber("cutover_network", &out.cutover_network);
  in.Each("port_forwards", [&](const Reader& forward) {
    PortForward& to = out.port_forwards.emplace_back();
    forward.GetNumber("guest_port", &to.guest_port);
    forward.GetNumber("host_port", &to.host_port);
    forward.Get("host_address", &to.host_address);
  });
  out.boot_proof = ReadProof(in.Inner("boot_proof"));
  in.Get("quiesce", &out.quiesce_source_on_cutover);
  ReadNewSettings(in, &out);
  return out;
}

}  // namespace

std::string Clean(absl::string_view text, std::size_t most) {
  std::string out;
  out.reserve(std::min(text.size(), most));
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
    if (out.size() + std::max<std::size_t>(length, 1) > most) break;
    if (length == 0) {
      out.push_back('?');
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string InputToJson(const RunInput& input) {
  json machines = json::array();
  for (const std::string& machine : input.machines) machines.push_back({{"id", Clean(machine)}});
  return Dump({{"server", Clean(input.server)},
               {"settings", SettingsToJson(input.settings)},
               {"point", Clean(input.point)},
               {"machines", machines},
               {"hostname", Clean(input.hostname)}});
}

absl::StatusOr<RunInput> InputFromJson(absl::string_view text) {
  const json parsed = Parse(text);
  std::string wrong;
  RunInput out;
  const Reader in(parsed, &wrong);
  in.Get("server", &out.server);
  out.settings = ReadSettings(in.Inner("settings"));
  in.Get("point", &out.point);
  in.Each("machines",
          [&](const Reader& machine) { machine.Get("id", &out.machines.emplace_back()); });
  in.Get("hostname", &out.hostname);
  if (!wrong.empty()) return absl::InternalError(absl::StrCat("stored run: field ", wrong));
  return out;
}

std::string MapToJson(const std::map<std::string, std::string>& map) {
  json out = json::object();
  for (const auto& [key, value] : map) out[Clean(key)] = Clean(value);
  return Dump(out);
}

absl::StatusOr<std::map<std::string, std::string>> MapFromJson(absl::string_view text) {
  const json parsed = Parse(text);
  if (!parsed.is_object()) return absl::InternalError("stored map: no JSON object");
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : parsed.items()) {
    if (!value.is_string()) return absl::InternalError(absl::StrCat("stored map: field ", key));
    out[key] = value.get<std::string>();
  }
  return out;
}

std::string ListToJson(const std::vector<std::string>& list) {
  json out = json::array();
  for (const std::string& text : list) out.push_back(Clean(text));
  return Dump(out);
}

absl::StatusOr<std::vector<std::string>> ListFromJson(absl::string_view text) {
  const json parsed = Parse(text);
  if (!parsed.is_array()) return absl::InternalError("stored list: no JSON array");
  std::vector<std::string> out;
  for (const json& element : parsed) {
    if (!element.is_string()) return absl::InternalError("stored list: an element is no text");
    out.push_back(element.get<std::string>());
  }
  return out;
}

}  // namespace godwit::jobs
