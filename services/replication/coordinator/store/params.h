// Parameter and column forms shared by the stores.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "services/common/base/json_log.h"
#include "services/common/pg/connection.h"

namespace godwit::coordinator::store {

inline pg::Param Number(std::int64_t value) { return absl::StrCat(value); }
template <typename Enum>
pg::Param Code(Enum value) {
  return absl::StrCat(static_cast<int>(value));
}
inline pg::Param Flag(bool value) { return std::string(value ? "true" : "false"); }
inline pg::Param When(const std::optional<absl::Time>& time) {
  return time ? pg::Param(pg::Micros(*time)) : std::nullopt;
}
// NULL for the empty text.
inline pg::Param OrNull(const std::string& text) {
  return text.empty() ? std::nullopt : pg::Param(text);
}
inline std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", JsonEscape(text), "\"");
}
// A jsonb object of texts.
inline pg::Param Object(const std::map<std::string, std::string>& entries) {
  return absl::StrCat("{",
                      absl::StrJoin(entries, ",",
                                    [](std::string* out, const auto& entry) {
                                      absl::StrAppend(out, Quoted(entry.first), ":",
                                                      Quoted(entry.second));
                                    }),
                      "}");
}
// A bigint[].
inline pg::Param Numbers(const std::vector<std::int64_t>& values) {
  return absl::StrCat("{", absl::StrJoin(values, ","), "}");
}
// A text[] of texts without special characters (ids).
inline pg::Param Ids(const std::vector<std::string>& values) {
  return absl::StrCat("{", absl::StrJoin(values, ","), "}");
}

// A jsonb object of texts as a column that Pairs() takes apart. Values hold no control characters.
#define GODWIT_PAIRS(column)                                                 \
  "(select coalesce(string_agg(key || chr(31) || value, chr(30)), '') from " \
  "jsonb_each_text(" column "))"
inline std::map<std::string, std::string> Pairs(absl::string_view text) {
  std::map<std::string, std::string> out;
  for (const absl::string_view entry : absl::StrSplit(text, '\x1e', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(entry, absl::MaxSplits('\x1f', 1));
    out.insert(pair);
  }
  return out;
}

// Reads the columns of a row one after another.
class Row {
 public:
  Row(const pg::Result& result, int row) : result_(result), row_(row) {}
  std::string Text() { return std::string(result_.Text(row_, column_++)); }
  std::int64_t Int() { return result_.Int(row_, column_++); }
  int Small() { return static_cast<int>(Int()); }
  double Double() { return result_.Double(row_, column_++); }
  bool Bool() { return result_.Bool(row_, column_++); }
  std::optional<absl::Time> Time() { return result_.Time(row_, column_++); }
  absl::Time TimeOrPast() { return Time().value_or(absl::InfinitePast()); }
  std::string Bytes() { return result_.Bytes(row_, column_++); }

 private:
  const pg::Result& result_;
  const int row_;
  int column_ = 0;
};

}  // namespace godwit::coordinator::store
