// The head of an HTTP/1.1 request, read strictly: whatever two readers could understand
// differently is refused. Pure; its input is hostile (fuzzed).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/base/file.h"

namespace godwit::gateway {

inline constexpr std::size_t kMostHeadBytes = 16 * 1024;
inline constexpr std::size_t kMostBodyBytes = 1024 * 1024;

struct Head {
  std::string method;  // "POST"
  std::string target;  // as received, "/tags/arn%3A...?tagKeys=a"
  // Names in lower case, values without blanks at their ends; in order.
  std::vector<std::pair<std::string, std::string>> headers;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;

  absl::string_view path() const;   // of the target, before "?"
  absl::string_view query() const;  // after it
  // The first value; empty when there is none.
  absl::string_view Header(absl::string_view name) const;
};

// Why a head is refused, and with what. The connection ends after the answer.
struct HeadFault {
  int status = 400;
  std::string message;
};

// `text` is all up to and with the empty line. Refused with 400: lines that do not end with CRLF,
// continued lines, blanks before a colon, bytes that are no text, a target that is not "/...",
// Host, Content-Length, Content-Type or Authorization twice, Transfer-Encoding beside
// Content-Length. 411: Transfer-Encoding (clients of MGN send a length). 413: too long a body.
// 414: too long a target. 417: an expectation other than 100-continue. 431: too many headers.
// 505: another version than 1.0 and 1.1.
std::variant<Head, HeadFault> ParseHead(absl::string_view text);

// One request as the layers above see it.
struct Request {
  Head head;
  std::string body;
  std::string client_address;  // without the port
  std::string id;              // UUID of our own
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Instead of `body`: the first `file_bytes` bytes of a file, sent as the client takes them.
  std::shared_ptr<const Fd> file;
  std::int64_t file_bytes = 0;
};

}  // namespace godwit::gateway
