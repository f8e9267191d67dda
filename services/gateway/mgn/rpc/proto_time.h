// Members of answers from fields of messages.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"

namespace godwit::gateway::mgn {

inline absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}
inline std::string ToText(const google::protobuf::Timestamp& time) {
  return TimeText(ToTime(time));
}
// Unset members are left out: clients test for presence.
inline void PutTime(nlohmann::json& out, const char* name, bool set,
                    const google::protobuf::Timestamp& time) {
  if (set) out[name] = ToText(time);
}
inline void PutText(nlohmann::json& out, const char* name, const std::string& text) {
  if (!text.empty()) out[name] = text;
}

}  // namespace godwit::gateway::mgn
