#include "services/registry/domain/event.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxToken = 200;
constexpr char kForm[] = "e1";
constexpr char kFormTold[] = "e2";  // with what the reader was told of

}  // namespace

bool EventFilter::Passes(const EventRecord& event) const {
  if (!types.empty() && !types.contains(event.type)) return false;
  if (servers.empty() && applications.empty() && waves.empty()) return true;
  return servers.contains(event.server_id) || applications.contains(event.application_id) ||
         waves.contains(event.wave_id);
}

std::string FormatEventToken(const EventToken& token) {
  return absl::WebSafeBase64Escape(
      token.told ? absl::StrCat(kFormTold, "/", token.stream, "/", token.sequence, "/", *token.told)
                 : absl::StrCat(kForm, "/", token.stream, "/", token.sequence));
}

absl::StatusOr<EventToken> ParseEventToken(absl::string_view text) {
  std::string plain;
  EventToken token;
  if (!text.empty() && text.size() <= kMaxToken && absl::WebSafeBase64Unescape(text, &plain)) {
    const std::vector<std::string> parts = absl::StrSplit(plain, '/');
    bool fits = parts.size() == 3 && parts[0] == kForm;
    if (parts.size() == 4 && parts[0] == kFormTold) {
      std::uint64_t told = 0;
      fits = absl::SimpleAtoi(parts[3], &told);
      token.told = told;
    }
    if (fits && parts[1].size() == 36 && absl::SimpleAtoi(parts[2], &token.sequence) &&
        token.sequence >= 0) {
      token.stream = parts[1];
      return token;
    }
  }
  return absl::InvalidArgumentError("is not a token that an event or an answer gave");
}

absl::Status CheckEventToken(const EventToken& token, const EventLook& look) {
  if (token.stream != look.stream) {
    return absl::OutOfRangeError(
        "the token is of other events than these (another installation, "
        "or before a restore): list again and begin with a new token");
  }
  if (token.sequence > look.head) {
    return absl::OutOfRangeError(
        "the token is of events that are not there (the database was restored to an earlier "
        "time): list again and begin with a new token");
  }
  if (token.sequence < look.head && look.first != token.sequence + 1) {
    return absl::OutOfRangeError(
        "events after the token are not kept any more: list again and begin with a new token");
  }
  return absl::OkStatus();
}

}  // namespace godwit::registry
