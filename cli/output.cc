#include "cli/output.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

// Columns on a terminal: bytes that continue a UTF-8 character take none.
std::size_t Width(absl::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void Line(std::ostream& out, const std::vector<std::string>& cells,
          const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = Plain(cells[i]);
    absl::StrAppend(&line, cell);
    if (i + 1 < cells.size()) line.append(widths[i] - Width(cell) + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out << line << "\n";
}

}  // namespace

std::string Plain(absl::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return out;
}

void Table::Print(std::ostream& out, absl::string_view empty) const {
  if (rows_.empty()) {
    out << std::string(empty) << "\n";
    return;
  }
  std::vector<std::size_t> widths;
  for (const std::string& cell : header_) widths.push_back(Width(cell));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  Line(out, header_, widths);
  for (const auto& row : rows_) Line(out, row, widths);
}

void Fields::Print(std::ostream& out) const {
  std::size_t width = 0;
  for (const auto& [name, value] : fields_) {
    if (!value.empty()) width = std::max(width, Width(name) + 1);
  }
  for (const auto& [name, value] : fields_) {
    if (!value.empty()) Line(out, {name + ":", value}, {width, 0});
  }
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool one_line) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = !one_line;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok())
    return absl::InternalError(absl::StrCat("cannot print as JSON: ", status.ToString()));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

absl::Status PrintJson(Context& context, const google::protobuf::Message& message, bool one_line) {
  ASSIGN_OR_RETURN(const std::string text, ToJson(message, one_line));
  context.out() << text << std::endl;
  return absl::OkStatus();
}

}  // namespace godwit::cli
