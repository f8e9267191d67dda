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
  if (!json.is_object() || json.value("boot_id", "") != boot_id) return state;
  state.replica_id = json.value("replica_id", "");
  state.committed_epoch = json.value("committed_epoch", std::int64_t{0});
  state.quiesced = json.value("quiesced", false);
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
