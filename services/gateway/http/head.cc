#include "services/gateway/http/head.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace godwit::gateway {
namespace {

constexpr std::size_t kMostHeaders = 64;
constexpr std::size_t kMostTarget = 8 * 1024;

bool IsTokenByte(char c) {
  return absl::ascii_isalnum(c) || (c != '\0' && absl::StrContains("!#$%&'*+-.^_`|~", c));
}
bool IsTargetByte(char c) { return c > 0x20 && c < 0x7f && c != '#'; }
bool IsValueByte(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

HeadFault Bad(std::string message) { return {.status = 400, .message = std::move(message)}; }

std::optional<HeadFault> ParseRequestLine(absl::string_view line, Head& head) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 3) return Bad("the request line is malformed");
  const absl::string_view method = parts[0], target = parts[1], version = parts[2];
  if (method.empty() || method.size() > 16 ||
      !std::all_of(method.begin(), method.end(), absl::ascii_isupper)) {
    return Bad("the method is malformed");
  }
  if (target.size() > kMostTarget) return HeadFault{414, "the target is too long"};
  if (target.empty() || target[0] != '/' ||
      !std::all_of(target.begin(), target.end(), IsTargetByte)) {
    return Bad("the target must be a path");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return HeadFault{505, "only HTTP/1.1 is spoken"};
  }
  head.method = std::string(method);
  head.target = std::string(target);
  head.keep_alive = version == "HTTP/1.1";
  return std::nullopt;
}

std::optional<HeadFault> ParseHeader(absl::string_view line, Head& head) {
  if (line[0] == ' ' || line[0] == '\t') return Bad("a header is continued on another line");
  const std::size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) return Bad("a header is malformed");
  const absl::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
  if (!std::all_of(name.begin(), name.end(), IsTokenByte)) return Bad("a header name is malformed");
  if (!std::all_of(value.begin(), value.end(), IsValueByte)) {
    return Bad("a header value is malformed");
  }
  if (head.headers.size() == kMostHeaders) return HeadFault{431, "too many headers"};
  head.headers.emplace_back(absl::AsciiStrToLower(name),
                            std::string(absl::StripAsciiWhitespace(value)));
  return std::nullopt;
}

std::size_t Count(const Head& head, absl::string_view name) {
  return std::count_if(head.headers.begin(), head.headers.end(),
                       [&](const auto& header) { return header.first == name; });
}

std::optional<HeadFault> CheckFraming(Head& head) {
  for (const char* once : {"host", "content-length", "content-type", "authorization", "expect",
                           "connection", "transfer-encoding"}) {
    if (Count(head, once) > 1) return Bad(absl::StrCat(once, " is given twice"));
  }
  if (Count(head, "host") == 0) return Bad("host is missing");
  if (Count(head, "transfer-encoding") > 0) {
    if (Count(head, "content-length") > 0) return Bad("both a length and a transfer encoding");
    return HeadFault{411, "send a Content-Length instead of a transfer encoding"};
  }
  if (Count(head, "content-length") > 0) {
    const absl::string_view text = head.Header("content-length");
    if (text.empty() || text.size() > 18 ||
        !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
        !absl::SimpleAtoi(text, &head.content_length)) {
      return Bad("content-length is malformed");
    }
  }
  if (head.content_length > kMostBodyBytes) {
    return HeadFault{413, absl::StrCat("a body has at most ", kMostBodyBytes, " bytes")};
  }
  const absl::string_view connection = head.Header("connection");
  if (absl::EqualsIgnoreCase(connection, "close")) head.keep_alive = false;
  const absl::string_view expect = head.Header("expect");
  if (expect.empty()) return std::nullopt;
  if (!absl::EqualsIgnoreCase(expect, "100-continue")) return HeadFault{417, "unknown expectation"};
  head.expect_continue = true;
  return std::nullopt;
}

}  // namespace

absl::string_view Head::path() const {
  return absl::string_view(target).substr(0, target.find('?'));
}

absl::string_view Head::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? absl::string_view()
                                   : absl::string_view(target).substr(mark + 1);
}

absl::string_view Head::Header(absl::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

std::variant<Head, HeadFault> ParseHead(absl::string_view text) {
  if (text.size() > kMostHeadBytes) return HeadFault{431, "the head is too long"};
  if (!absl::ConsumeSuffix(&text, "\r\n\r\n")) return Bad("the head is cut off");
  Head head;
  bool first = true;
  for (const absl::string_view line : absl::StrSplit(text, "\r\n")) {
    if (line.empty() || absl::StrContains(line, '\r') || absl::StrContains(line, '\n')) {
      return Bad("a line does not end with CR LF");
    }
    const std::optional<HeadFault> fault =
        first ? ParseRequestLine(line, head) : ParseHeader(line, head);
    if (fault) return *fault;
    first = false;
  }
  if (const std::optional<HeadFault> fault = CheckFraming(head)) return *fault;
  return head;
}

}  // namespace godwit::gateway
