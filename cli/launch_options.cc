#include "cli/launch_options.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

// Takes what stands before the first `separator` off `text`.
absl::string_view TakeUntil(char separator, absl::string_view& text) {
  const std::size_t end = text.find(separator);
  const absl::string_view head = text.substr(0, end);
  text = end == absl::string_view::npos ? "" : text.substr(end + 1);
  return head;
}

}  // namespace

absl::StatusOr<int> ParsePort(absl::string_view option, absl::string_view text) {
  int port = 0;
  if (!absl::SimpleAtoi(text, &port) || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, ": \"", text, "\" is no port from 1 to 65535"));
  }
  return port;
}

absl::StatusOr<jobs::v1::PortForward> ParsePortForward(absl::string_view text) {
  constexpr absl::string_view kOption = "--port-forward";
  jobs::v1::PortForward forward;
  absl::string_view rest = text;
  ASSIGN_OR_RETURN(const int guest, ParsePort(kOption, TakeUntil(':', rest)));
  forward.set_guest_port(guest);
  const absl::string_view host = TakeUntil(':', rest);
  if (!host.empty() && host != "0") {
    ASSIGN_OR_RETURN(const int port, ParsePort(kOption, host));
    forward.set_host_port(port);
  }
  if (absl::ConsumePrefix(&rest, "[") && !absl::ConsumeSuffix(&rest, "]")) {
    return absl::InvalidArgumentError(absl::StrCat(kOption, ": ", text, ": \"]\" is missing"));
  }
  forward.set_host_address(std::string(rest));
  return forward;
}

absl::StatusOr<jobs::v1::HttpCheck> ParseHttpCheck(absl::string_view text) {
  constexpr absl::string_view kOption = "--boot-http";
  const std::size_t end = text.find_first_of("/,");
  jobs::v1::HttpCheck check;
  ASSIGN_OR_RETURN(const int port, ParsePort(kOption, text.substr(0, end)));
  check.set_guest_port(port);
  absl::string_view rest = end == absl::string_view::npos ? "" : text.substr(end);
  check.set_path(std::string(TakeUntil(',', rest)));
  if (check.path().empty()) check.set_path("/");
  while (!rest.empty()) {
    if (absl::ConsumePrefix(&rest, "contains=")) {
      check.set_body_contains(std::string(rest));
      return check;
    }
    absl::string_view part = TakeUntil(',', rest);
    int status = 0;
    if (!absl::ConsumePrefix(&part, "status=")) {
      return absl::InvalidArgumentError(
          absl::StrCat(kOption, ": \"", part, "\" is neither status=N nor contains=TEXT"));
    }
    if (!absl::SimpleAtoi(part, &status) || status < 100 || status > 599) {
      return absl::InvalidArgumentError(absl::StrCat(kOption, ": ", part, " is no HTTP status"));
    }
    check.set_status(status);
  }
  return check;
}

}  // namespace godwit::cli
