#include "services/jobs/targets/qemu/machine_state.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

template <typename T>
void Read(const json& object, const char* key, T* out, std::string* wrong) {
  const auto found = object.find(key);
  bool fits = found != object.end();
  if constexpr (std::is_same_v<T, std::string>) {
    fits = fits && found->is_string();
  } else if constexpr (std::is_same_v<T, bool>) {
    fits = fits && found->is_boolean();
  } else {
    fits = fits && found->is_number_integer();
  }
  if (fits) {
    *out = found->template get<T>();
  } else if (wrong->empty()) {
    *wrong = key;
  }
}

// A field that files of older versions lack.
template <typename T>
void ReadNew(const json& object, const char* key, T* out, std::string* wrong) {
  if (object.contains(key)) Read(object, key, out, wrong);
}

const json& Array(const json& object, const char* key, std::string* wrong) {
  static const json kNone = json::array();
  const auto found = object.find(key);
  if (found != object.end() && found->is_array()) return *found;
  if (wrong->empty()) *wrong = key;
  return kNone;
}

}  // namespace

std::string ToJson(const MachineState& state) {
  const MachineSpec& spec = state.spec;
  json out = {{"machine_id", spec.machine_id},
              {"epoch", spec.epoch},
              {"name", spec.name},
              {"cpu_count", spec.cpu_count},
              {"memory_bytes", spec.memory_bytes},
              {"firmware", spec.firmware},
              {"disk_bus", spec.disk_bus},
              {"network", static_cast<int>(spec.network)},
              {"throw_away", spec.throw_away},
              {"description", spec.description},
              {"tags", spec.tags},
              {"started", state.started},
              {"pid", state.pid},
              {"start_time", state.start_time},
              {"accelerator", state.accelerator}};
  out["disks"] = json::array();
  for (const MachineDisk& disk : spec.disks) out["disks"].push_back({{"path", disk.path}});
  out["nics"] = json::array();
  for (const MachineNic& nic : spec.nics) {
    out["nics"].push_back(
        {{"mac_address", nic.mac_address}, {"model", nic.model}, {"bridge", nic.bridge}});
  }
  out["port_forwards"] = json::array();
  for (const PortForward& forward : spec.port_forwards) {
    out["port_forwards"].push_back({{"guest_port", forward.guest_port},
                                    {"host_port", forward.host_port},
                                    {"host_address", forward.host_address}});
  }
  out["endpoints"] = json::array();
  for (const auto& [port, endpoint] : state.endpoints) {
    out["endpoints"].push_back({{"guest_port", port}, {"endpoint", endpoint}});
  }
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<MachineState> MachineStateFromJson(absl::string_view text) {
  const json in = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!in.is_object()) return absl::InternalError("machine state: no JSON object");
  MachineState state;
  std::string wrong;
  int network = 0;
  Read(in, "machine_id", &state.spec.machine_id, &wrong);
  Read(in, "epoch", &state.spec.epoch, &wrong);
  Read(in, "name", &state.spec.name, &wrong);
  Read(in, "cpu_count", &state.spec.cpu_count, &wrong);
  Read(in, "memory_bytes", &state.spec.memory_bytes, &wrong);
  Read(in, "firmware", &state.spec.firmware, &wrong);
  Read(in, "disk_bus", &state.spec.disk_bus, &wrong);
  Read(in, "network", &network, &wrong);
  Read(in, "throw_away", &state.spec.throw_away, &wrong);
  Read(in, "started", &state.started, &wrong);
  Read(in, "pid", &state.pid, &wrong);
  Read(in, "start_time", &state.start_time, &wrong);
  Read(in, "accelerator", &state.accelerator, &wrong);
  state.spec.network = static_cast<Network>(network);
  ReadNew(in, "description", &state.spec.description, &wrong);
  if (const auto tags = in.find("tags"); tags != in.end() && tags->is_object()) {
    for (const auto& [key, value] : tags->items()) {
      if (value.is_string()) state.spec.tags[key] = value.get<std::string>();
    }
  }
  for (const json& disk : Array(in, "disks", &wrong)) {
    Read(disk, "path", &state.spec.disks.emplace_back().path, &wrong);
  }
  for (const json& nic : Array(in, "nics", &wrong)) {
    MachineNic& out = state.spec.nics.emplace_back();
    Read(nic, "mac_address", &out.mac_address, &wrong);
    Read(nic, "model", &out.model, &wrong);
    ReadNew(nic, "bridge", &out.bridge, &wrong);
  }
  for (const json& forward : Array(in, "port_forwards", &wrong)) {
    PortForward& out = state.spec.port_forwards.emplace_back();
    Read(forward, "guest_port", &out.guest_port, &wrong);
    Read(forward, "host_port", &out.host_port, &wrong);
    Read(forward, "host_address", &out.host_address, &wrong);
  }
  for (const json& endpoint : Array(in, "endpoints", &wrong)) {
    int port = 0;
    std::string where;
    Read(endpoint, "guest_port", &port, &wrong);
    Read(endpoint, "endpoint", &where, &wrong);
    state.endpoints[port] = where;
  }
  if (!wrong.empty()) return absl::InternalError(absl::StrCat("machine state: field ", wrong));
  return state;
}

}  // namespace godwit::jobs
