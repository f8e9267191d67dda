#include "services/conversion/converter/windows/options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxCards = 64;
constexpr std::size_t kMaxServices = 64;
constexpr std::size_t kMaxText = 256;

// It becomes part of a key's path.
bool IsService(const std::string& text) {
  return !text.empty() && text.size() <= kMaxText &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_';
         });
}

// It becomes text of a script in the guest. Addresses are looked at where they do (network.h): the
// same job may be one of a Linux guest, which knows more kinds.
bool IsMac(const std::string& text) {
  return text.size() <= kMaxText && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isxdigit(c) || c == ':';
         });
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const nlohmann::json& json) {
  Options options;
  if (!json.is_object()) return options;
  const auto text = [](const nlohmann::json& from, const char* field, std::string fallback = "") {
    const auto found = from.find(field);
    return found != from.end() && found->is_string() ? found->get<std::string>() : fallback;
  };
  options.disk_bus = text(json, "disk_bus", options.disk_bus);
  options.nic_model = text(json, "nic_model", options.nic_model);
  if (const auto services = json.find("services"); services != json.end() && services->is_array()) {
    if (services->size() > kMaxServices)
      return absl::InvalidArgumentError("windows.services: at most 64");
    for (const auto& each : *services) {
      if (!each.is_string() || !IsService(each.get_ref<const std::string&>()))
        return absl::InvalidArgumentError("windows.services: letters, digits, - and _ only");
      options.services.push_back(each.get<std::string>());
    }
  }
  if (const auto allow = json.find("allow_unclean"); allow != json.end() && allow->is_boolean()) {
    options.allow_unclean = allow->get<bool>();
  }
  const auto cards = json.find("cards");
  if (cards == json.end() || !cards->is_array()) return options;
  if (cards->size() > kMaxCards) return absl::InvalidArgumentError("windows.cards: at most 64");
  for (const auto& from : *cards) {
    if (!from.is_object()) continue;
    const Card card{.mac_address = text(from, "mac_address"),
                    .source_name = text(from, "source_name"),
                    .static_address = text(from, "static_address"),
                    .gateway = text(from, "gateway")};
    if (!IsMac(card.mac_address)) {
      return absl::InvalidArgumentError("windows.cards: hex digits and colons only in mac_address");
    }
    options.cards.push_back(card);
  }
  return options;
}

}  // namespace godwit::convert::windows
