#include "services/conversion/appliance/results.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace godwit::conversion {
namespace {

constexpr std::size_t kMaxTotal = std::size_t{32} << 20;
constexpr std::size_t kMaxMessage = 1000;

}  // namespace

absl::Status ResultReader::Take(absl::string_view bytes) {
  total_ += bytes.size();
  if (total_ > kMaxTotal)
    return absl::ResourceExhaustedError("the appliance says more than 32 MiB");
  for (const char c : bytes) {
    if (c == '\n') {
      Line(pending_);
      pending_.clear();
    } else if (c != '\r') {
      pending_.push_back(c);
    }
  }
  return absl::OkStatus();
}

namespace {

// Printing JSON goes as deep as it is nested: the stack is not for the appliance to fill. Brackets
// in strings do not nest.
bool TooDeep(const std::string& line) {
  constexpr int kMaxDepth = 32;
  int depth = 0;
  bool text = false, escaped = false;
  for (const char c : line) {
    if (text) {
      if (!escaped && c == '"') text = false;
      escaped = !escaped && c == '\\';
      continue;
    }
    if (c == '"') text = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxDepth) return true;
  }
  return false;
}

// At most `kMaxMessage` bytes of printable ASCII.
std::string Message(const nlohmann::json& text) {
  std::string message = text.get<std::string>().substr(0, kMaxMessage);
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return message;
}

}  // namespace

void ResultReader::Line(const std::string& line) {
  if (TooDeep(line)) return;
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("event") || !json["event"].is_string()) return;
  if (json["event"] == "progress" && json.contains("message") && json["message"].is_string()) {
    progress_(Message(json["message"]));
  }
  if (json["event"] == "result") result_ = line;
}

std::uint64_t ResultReader::BootDiskBytes() const {
  const auto json = nlohmann::json::parse(result_, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("bootDiskBytes")) return 0;
  const auto& bytes = json["bootDiskBytes"];
  return bytes.is_number_unsigned() ? bytes.get<std::uint64_t>() : 0;
}

absl::Status ResultReader::Result(conversion::v1::ConversionTask* task) const {
  if (result_.empty()) return absl::InternalError("the appliance ended without a result");
  const auto json = nlohmann::json::parse(result_, nullptr, /*allow_exceptions=*/false);
  if (json.contains("task") && json["task"].is_object()) {
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    conversion::v1::ConversionTask output;
    if (!google::protobuf::util::JsonStringToMessage(json["task"].dump(), &output, options).ok()) {
      return absl::InternalError("the appliance's result cannot be read");
    }
    *task->mutable_inspection() = output.inspection();
    *task->mutable_changes() = output.changes();
    *task->mutable_findings() = output.findings();
    *task->mutable_hints() = output.hints();
    task->set_diff(output.diff());
    *task->mutable_scripts() = output.scripts();
  }
  if (!json.contains("error")) return absl::OkStatus();
  const auto& error = json["error"];
  int code = 0;
  std::string message = "the converter failed";
  if (error.is_object()) {
    if (error.contains("code") && error["code"].is_number_integer())
      code = error["code"].get<int>();
    if (error.contains("message") && error["message"].is_string()) {
      message = Message(error["message"]);
    }
  }
  // Of a canonical code, and never one that says that all is well.
  if (code < 1 || code > 16) code = static_cast<int>(absl::StatusCode::kInternal);
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

}  // namespace godwit::conversion
