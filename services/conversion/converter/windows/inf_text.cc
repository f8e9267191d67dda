#include "services/conversion/converter/windows/inf_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/conversion/converter/windows/text.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxLines = 50000;
constexpr std::size_t kMaxValues = 256;
constexpr std::size_t kMaxValueBytes = 4096;

std::string Decode(absl::string_view bytes) {
  if (absl::ConsumePrefix(&bytes, "\xff\xfe")) return FromUtf16(bytes);
  if (absl::ConsumePrefix(&bytes, "\xfe\xff")) {
    std::string swapped(bytes.substr(0, bytes.size() / 2 * 2));
    for (std::size_t i = 0; i + 1 < swapped.size(); i += 2) std::swap(swapped[i], swapped[i + 1]);
    return FromUtf16(swapped);
  }
  absl::ConsumePrefix(&bytes, "\xef\xbb\xbf");
  return std::string(bytes);
}

// Cuts a line into values at commas outside of quotes; *key is what stands before the first "=".
// A comment ends it; returns true when the next line goes on with it (a backslash at its end).
bool Cut(absl::string_view line, bool* has_key, std::string* key, std::vector<std::string>* values,
         std::string* value) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
        value->push_back('"');
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (!quoted && c == ';') {
      line = line.substr(0, i);
      break;
    } else if (!quoted && c == '\\' && absl::StripAsciiWhitespace(line.substr(i + 1)).empty()) {
      return true;
    } else if (!quoted && c == '=' && !*has_key && values->empty()) {
      *has_key = true;
      *key = std::string(absl::StripAsciiWhitespace(*value));
      value->clear();
    } else if (!quoted && c == ',') {
      if (values->size() < kMaxValues) {
        values->push_back(std::string(absl::StripAsciiWhitespace(*value)));
      }
      value->clear();
    } else if (value->size() < kMaxValueBytes) {
      value->push_back(c);
    }
  }
  return false;
}

// Each %token% once; what comes of it is not looked at again.
std::string Replace(const std::string& text, const std::map<std::string, std::string>& strings) {
  if (!absl::StrContains(text, "%")) return text;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '%' ? text.find('%', at + 1) : std::string::npos;
    if (end == std::string::npos) {
      out.push_back(text[at++]);
      continue;
    }
    const std::string token = text.substr(at + 1, end - at - 1);
    const auto found = strings.find(absl::AsciiStrToLower(token));
    if (token.empty()) {
      out.push_back('%');
    } else if (found != strings.end()) {
      out += found->second;
    } else {
      absl::StrAppend(&out, "%", token, "%");  // a folder number, as in %12%
    }
    at = end + 1;
    if (out.size() > kMaxValueBytes) break;
  }
  return out;
}

}  // namespace

const std::vector<InfLine>& InfText::Section(absl::string_view name) const {
  static const auto& none = *new std::vector<InfLine>;
  const auto found = sections.find(absl::AsciiStrToLower(name));
  return found == sections.end() ? none : found->second;
}

bool InfText::Has(absl::string_view name) const {
  return sections.count(absl::AsciiStrToLower(name)) != 0;
}

std::string InfText::Value(absl::string_view section, absl::string_view key) const {
  for (const InfLine& line : Section(section)) {
    if (absl::EqualsIgnoreCase(line.key, key)) return line.values.empty() ? "" : line.values[0];
  }
  return "";
}

absl::StatusOr<InfText> ParseInfText(absl::string_view bytes) {
  if (bytes.size() > kMaxBytes) return absl::ResourceExhaustedError("larger than 1 MiB");
  const std::string text = Decode(bytes);
  InfText inf;
  std::vector<InfLine>* section = nullptr;
  InfLine line;
  std::string value;
  bool has_key = false;
  std::size_t lines = 0;
  for (absl::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const absl::string_view whole = absl::StripAsciiWhitespace(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + 1));
    if (++lines > kMaxLines) return absl::ResourceExhaustedError("more than 50000 lines");
    const bool fresh = !has_key && line.values.empty() && value.empty();
    if (fresh && absl::StartsWith(whole, "[")) {
      const std::size_t close = whole.find(']');
      if (close == absl::string_view::npos)
        return absl::InvalidArgumentError("a section without ]");
      section = &inf.sections[absl::AsciiStrToLower(
          absl::StripAsciiWhitespace(whole.substr(1, close - 1)))];
      continue;
    }
    if (Cut(whole, &has_key, &line.key, &line.values, &value)) continue;
    const std::string last(absl::StripAsciiWhitespace(value));
    if (!last.empty() || !line.values.empty()) line.values.push_back(last);
    if (section != nullptr && (has_key || !line.values.empty())) section->push_back(line);
    line = {};
    value.clear();
    has_key = false;
  }
  if (inf.sections.empty()) return absl::InvalidArgumentError("no .inf file");
  std::map<std::string, std::string> strings;
  for (const InfLine& entry : inf.Section("strings")) {
    if (!entry.values.empty()) strings[absl::AsciiStrToLower(entry.key)] = entry.values[0];
  }
  for (auto& [name, entries] : inf.sections) {
    for (InfLine& entry : entries) {
      entry.key = Replace(entry.key, strings);
      for (std::string& word : entry.values) word = Replace(word, strings);
    }
  }
  return inf;
}

}  // namespace godwit::convert::windows
