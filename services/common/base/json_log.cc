#include "services/common/base/json_log.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/request_scope.h"

namespace godwit {
namespace {

// Set once by InitLog before threads start; read-only afterwards.
struct LogSetup {
  std::string service = "godwit";
  Severity least = Severity::kInfo;
};

LogSetup& Setup() {
  static LogSetup setup;
  return setup;
}

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

// Length of the valid UTF-8 sequence at the start of `text`, or 0.
std::size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t length = 0;
  if (byte(0) >= 0xc2 && byte(0) <= 0xdf) length = 2;
  if (byte(0) >= 0xe0 && byte(0) <= 0xef) length = 3;
  if (byte(0) >= 0xf0 && byte(0) <= 0xf4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string JsonEscape(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i++];
    } else if (c >= 0x20 && c < 0x7f) {
      out += text[i++];
    } else if (const std::size_t length = c < 0x80 ? 0 : Utf8Length(text.substr(i)); length > 0) {
      absl::StrAppend(&out, text.substr(i, length));
      i += length;
    } else {
      absl::StrAppendFormat(&out, "\\u%04x", c);
      ++i;
    }
  }
  return out;
}

void InitLog(absl::string_view service, Severity least) {
  Setup().service = std::string(service);
  Setup().least = least;
}

void Log(Severity severity, absl::string_view message,
         std::initializer_list<std::pair<absl::string_view, std::string>> fields) {
  if (severity < Setup().least) return;
  std::string line = absl::StrCat(
      R"({"ts":")", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()),
      R"(","level":")", Name(severity), R"(","svc":")", JsonEscape(Setup().service), R"(","msg":")",
      JsonEscape(message), "\"");
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&line, ",\"", JsonEscape(key), "\":\"", JsonEscape(value), "\"");
  }
  if (const std::string& request = CurrentRequestId(); !request.empty()) {
    absl::StrAppend(&line, ",\"request_id\":\"", JsonEscape(request), "\"");
  }
  line += "}\n";
  // One write, so that lines of several threads never mix. A full or closed log is not our
  // business.
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace godwit
