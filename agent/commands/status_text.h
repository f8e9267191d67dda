// What `godwit-agent status` prints for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace godwit::agent {

// `status`: what `run` leaves in status.json. Facts that are not there are left out.
std::string StatusText(const nlohmann::json& status);

}  // namespace godwit::agent
