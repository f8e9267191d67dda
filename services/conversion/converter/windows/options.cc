#include "services/conversion/converter/windows/options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxCards = 64;
constexpr std::size_t kMaxText = 256;

// They become text of scripts in the guest.
bool Plain(const std::string& text, const char* more) {
  return text.size() <= kMaxText && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return absl::ascii_isalnum(c) ||
                  std::string(more).find(static_cast<char>(c)) != std::string::npos;
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
  options.profile = text(json, "profile", options.profile);
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
    if (!Plain(card.mac_address, ":") || !Plain(card.static_address, "./") ||
        !Plain(card.gateway, ".")) {
      return absl::InvalidArgumentError(
          "windows.cards: a MAC address, an IPv4 address with the length of its network "
          "(10.0.0.5/24) and the IPv4 address of a gateway");
    }
    options.cards.push_back(card);
  }
  return options;
}

}  // namespace godwit::convert::windows
