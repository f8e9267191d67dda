#include "agent/state/replica_state.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {

ReplicaState LoadReplicaState(const std::string& path, const std::string& boot_id) {
  ReplicaState state{.boot_id = boot_id};
  const absl::StatusOr<std::string> text = ReadFile(path, 65536);
  if (!text.ok()) return state;
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return state;
  // A value of another type than it is saved with is damage, too.
  const auto written = json.find("boot_id"), replica = json.find("replica_id"),
             epoch = json.find("committed_epoch"), quiesced = json.find("quiesced");
  for (const auto& value : {written, replica, epoch, quiesced}) {
    if (value == json.end()) return state;
  }
  if (*written != boot_id || !replica->is_string() || !epoch->is_number_integer() ||
      !quiesced->is_boolean()) {
    return state;
  }
  state.replica_id = replica->get<std::string>();
  state.committed_epoch = epoch->get<std::int64_t>();
  state.quiesced = quiesced->get<bool>();
  return state;
}

absl::Status SaveReplicaState(const std::string& path, const ReplicaState& state) {
  const nlohmann::json json = {{"boot_id", state.boot_id},
                               {"replica_id", state.replica_id},
                               {"committed_epoch", state.committed_epoch},
                               {"quiesced", state.quiesced}};
  return WriteFileAtomically(path, json.dump() + "\n");
}

absl::StatusOr<std::string> BootId() {
  ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/sys/kernel/random/boot_id", 128));
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace godwit::agent
