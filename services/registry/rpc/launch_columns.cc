#include "services/registry/rpc/launch_columns.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/inventory.h"

namespace godwit::registry {
namespace {

using godwit::jobs::v1::LaunchSettings;
using google::protobuf::FieldDescriptor;

// A column and the top-level field of LaunchSettings that it is. `words` are cells for the numbers
// 1, 2, 3... of an enumeration, by commas.
struct LaunchColumn {
  const char* name;
  const char* field;
  const char* words = nullptr;
};
constexpr LaunchColumn kColumns[] = {
    {"mgn:launch:boot-mode", "boot_mode", "USE_SOURCE,LEGACY_BIOS,UEFI"},
    {"mgn:launch:copy-private-ip", "copy_private_ip"},
    {"mgn:launch:operating-system-licensing", "licensing", "BYOL,LI"},
    {"mgn:launch:start-instance", "disposition", "true,false"},
    {"mgn:launch:transfer-server-tags", "copy_tags"},
    {"godwit:launch:target", "target"},
    {"godwit:launch:profile", "profile"},
    {"godwit:launch:machine-name", "machine_name"},
    {"godwit:launch:right-sizing", "right_sizing", "NONE,BASIC,IN_USE"},
    {"godwit:launch:cpu-count", "cpu_count"},
    {"godwit:launch:memory-bytes", "memory_bytes"},
    {"godwit:launch:test-network", "test_network", "ISOLATED,USER,BRIDGE"},
    {"godwit:launch:cutover-network", "cutover_network", "ISOLATED,USER,BRIDGE"},
    {"godwit:launch:disk-bus", "disk_bus"},
    {"godwit:launch:export-format", "export_format"},
};
// Written by MGN's first files for operating-system-licensing; read alone.
constexpr LaunchColumn kOldLicensing = {"mgn:launch:placement:operating-system-licensing",
                                        "licensing", "BYOL,LI"};

const LaunchColumn* Find(absl::string_view name) {
  for (const LaunchColumn& column : kColumns) {
    if (name == column.name) return &column;
  }
  return name == kOldLicensing.name ? &kOldLicensing : nullptr;
}

const FieldDescriptor* FieldOf(const LaunchColumn& column) {
  return LaunchSettings::descriptor()->FindFieldByName(column.field);
}

absl::Status Wrong(const LaunchColumn& column, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(column.name, ": ", what));
}

absl::Status SetWord(const LaunchColumn& column, const std::string& cell,
                     LaunchSettings* settings) {
  const std::vector<std::string> words = absl::StrSplit(column.words, ',');
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] != cell) continue;
    settings->GetReflection()->SetEnumValue(settings, FieldOf(column), static_cast<int>(i) + 1);
    return absl::OkStatus();
  }
  return Wrong(column, absl::StrCat("must be one of ", absl::StrJoin(words, ", ")));
}

}  // namespace

bool IsLaunchColumn(absl::string_view name) { return Find(name) != nullptr; }

absl::Status SetLaunchColumn(absl::string_view name, const std::string& cell,
                             LaunchSettings* settings) {
  const LaunchColumn* column = Find(name);
  if (column == nullptr) return absl::InternalError(absl::StrCat(name, " is no launch column"));
  const FieldDescriptor* field = FieldOf(*column);
  const google::protobuf::Reflection* reflection = settings->GetReflection();
  if (cell == kResetValue) {
    reflection->ClearField(settings, field);
    return absl::OkStatus();
  }
  if (column->words != nullptr) return SetWord(*column, cell, settings);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (cell != "true" && cell != "false") return Wrong(*column, "must be true or false");
      reflection->SetBool(settings, field, cell == "true");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(settings, field, cell);
      return absl::OkStatus();
    default: {
      std::int64_t number = 0;
      const bool wide = field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
      if (!absl::SimpleAtoi(cell, &number) || number < 0 ||
          (!wide && number > std::numeric_limits<std::int32_t>::max())) {
        return Wrong(*column, "must be a number");
      }
      if (wide) {
        reflection->SetInt64(settings, field, number);
      } else {
        reflection->SetInt32(settings, field, static_cast<std::int32_t>(number));
      }
      return absl::OkStatus();
    }
  }
}

std::map<std::string, std::string> LaunchColumns(const LaunchSettings& settings) {
  std::map<std::string, std::string> cells;
  const google::protobuf::Reflection* reflection = settings.GetReflection();
  for (const LaunchColumn& column : kColumns) {
    const FieldDescriptor* field = FieldOf(column);
    std::string cell;
    if (column.words != nullptr) {
      const std::vector<std::string> words = absl::StrSplit(column.words, ',');
      const int value = reflection->GetEnumValue(settings, field);
      if (value >= 1 && value <= static_cast<int>(words.size())) cell = words[value - 1];
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      cell = reflection->GetBool(settings, field) ? "true" : "false";
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      cell = reflection->GetString(settings, field);
    } else {
      const std::int64_t number = field->cpp_type() == FieldDescriptor::CPPTYPE_INT64
                                      ? reflection->GetInt64(settings, field)
                                      : reflection->GetInt32(settings, field);
      if (number != 0) cell = absl::StrCat(number);
    }
    if (!cell.empty()) cells[column.name] = cell;
  }
  return cells;
}

}  // namespace godwit::registry
