// The text of a driver's .inf file: sections of lines of values. Pure; bounded, whatever is in it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::convert::windows {

struct InfLine {
  std::string key;  // before "="; "" when the line has none
  std::vector<std::string> values;
};

struct InfText {
  // Names in lower case; lines of sections of the same name follow each other.
  std::map<std::string, std::vector<InfLine>> sections;

  // The section's lines; none when there is no such section.
  const std::vector<InfLine>& Section(absl::string_view name) const;
  bool Has(absl::string_view name) const;
  // First value of the first line with that key (any case); "" when there is none.
  std::string Value(absl::string_view section, absl::string_view key) const;
};

// UTF-16 with a mark, UTF-8 or Latin-1; %tokens% are replaced by [Strings]. INVALID_ARGUMENT when
// it is none, RESOURCE_EXHAUSTED above 1 MiB or 50000 lines.
absl::StatusOr<InfText> ParseInfText(absl::string_view bytes);

}  // namespace godwit::convert::windows
