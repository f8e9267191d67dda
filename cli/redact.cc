#include "cli/redact.h"

#include <re2/re2.h>

namespace godwit::cli {
namespace {

// Linear in the text, whatever is in it.
struct Rule {
  const char* pattern;
  const char* replacement;
};
constexpr Rule kRules[] = {
    {R"re((?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$))re",
     "[redacted]"},
    // godwit-<id>.<secret>
    {R"re(godwit-t-[0-9a-f]{17}\.[A-Za-z0-9_-]+)re", "[redacted]"},
    {R"re((?i)(authorization"?\s*[:=]\s*"?)[^\r\n"]+)re", R"re(\1[redacted])re"},
    // postgresql://user:password@host
    {R"re(([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"']*:)[^\s@"']+@)re", R"re(\1[redacted]@)re"},
    // "some_secret": "value"
    {R"re((?i)("[^"\\]*(?:passw|secret|token|credential|passphrase)[^"\\]*"\s*:\s*)"(?:[^"\\]|\\.)*")re",
     R"re(\1"[redacted]")re"},
    {R"re((?i)("[^"\\]*key"\s*:\s*)"[^"/\\]*")re", R"re(\1"[redacted]")re"},
    // password=value, password = 'va lue' (connection strings and configuration)
    {R"re((?i)\b([a-z0-9_.-]*(?:passw|secret|credential|passphrase)[a-z0-9_.-]*\s*=\s*)('(?:[^'\\\n]|\\.)*'|"[^"\n]*"|[^\s'",]+))re",
     R"re(\1[redacted])re"},
    {R"re((?im)^(\s*(?:--)?[a-z0-9_.-]*token[a-z0-9_.-]*\s*[=:]\s*)[^\s/].*$)re",
     R"re(\1[redacted])re"},
    {R"re((?im)^(\s*(?:--)?[a-z0-9_.-]*key\s*[=:]\s*)[^\s/].*$)re", R"re(\1[redacted])re"},
};

}  // namespace

std::string Redact(absl::string_view text) {
  std::string out(text);
  for (const Rule& rule : kRules) RE2::GlobalReplace(&out, rule.pattern, rule.replacement);
  return out;
}

}  // namespace godwit::cli
