// What a job says about Windows guests: "windows" in job.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::convert::windows {

// A card of the launched machine.
struct Card {
  std::string mac_address;
  std::string source_name;     // of the connection on the source; may be empty
  std::string static_address;  // "10.0.0.5/24"; empty keeps what the source has
  std::string gateway;
};

struct Options {
  // Of the machine it will run on, in the words of profiles (docs/profiles.md).
  std::string disk_bus = "virtio", nic_model = "virtio";
  std::vector<std::string> services;  // drivers that the profile names
  // Hives and file systems that were not closed in order are taken as they are.
  bool allow_unclean = false;
  std::vector<Card> cards;
};

// INVALID_ARGUMENT names the field.
absl::StatusOr<Options> ParseOptions(const nlohmann::json& json);

}  // namespace godwit::convert::windows
