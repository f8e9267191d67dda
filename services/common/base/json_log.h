// Structured logs: one JSON object a line on standard error, for people and machines alike.
//   Log(Severity::kInfo, "lease granted", {{"server", id}, {"generation", absl::StrCat(n)}});
// Keys ts, level, svc and msg are added, and request_id while the thread works on a request. Values
// are escaped; secrets must not be passed. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace godwit {

enum class Severity { kDebug, kInfo, kWarning, kError };

// Called once at start, before other threads exist. `service` appears in every line.
void InitLog(absl::string_view service, Severity least = Severity::kInfo);

void Log(Severity severity, absl::string_view message,
         std::initializer_list<std::pair<absl::string_view, std::string>> fields = {});

// `text` as the inside of a JSON string: quotes, backslashes, control bytes and bytes that are not
// UTF-8 are escaped.
std::string JsonEscape(absl::string_view text);

}  // namespace godwit
