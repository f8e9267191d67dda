// Tables, fields and JSON.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace google::protobuf {
class Message;
}

namespace godwit::cli {

// Columns as wide as they need to be. Control bytes in cells (host names and messages come from
// peers) are shown as "?".
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Prints `empty` instead when there are no rows.
  void Print(std::ostream& out, absl::string_view empty) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// "name:   value" lines; an empty value is left out.
class Fields {
 public:
  void Add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void Print(std::ostream& out) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Text of peers without control bytes.
std::string Plain(absl::string_view text);

// Protobuf JSON; on several lines unless `one_line`.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool one_line);
// Prints it to context.out().
absl::Status PrintJson(Context& context, const google::protobuf::Message& message,
                       bool one_line = false);

}  // namespace godwit::cli
