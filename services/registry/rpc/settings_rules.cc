#include "services/registry/rpc/settings_rules.h"

#include <google/protobuf/descriptor.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/fields.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::registry::v1;

// A block of 64 KiB takes 4 s with the least one.
constexpr std::int64_t kMinRate = std::int64_t{16} << 10;
constexpr std::int64_t kMaxRate = std::int64_t{1} << 50;
constexpr int kMaxWindows = 32;
constexpr int kMaxRetentionRules = 16;
constexpr int kMaxLanes = 8;
constexpr int kMaxWeight = 100;
constexpr int kMinutesOfDay = 24 * 60;
constexpr int kAllWeekdays = 0x7f;
constexpr int kMaxPaths = 64;
constexpr int kMaxNotes = 64;
constexpr std::size_t kMaxNoteName = 64;
constexpr absl::Duration kYear = absl::Hours(24 * 365);

absl::Status CheckRate(const std::string& field, std::int64_t rate) {
  RETURN_IF_ERROR(CheckRange(field, rate, 0, kMaxRate));
  if (rate == 0 || rate >= kMinRate) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("must be 0 or at least ", kMinRate));
}

absl::Status CheckWindow(const std::string& field, const pb::BandwidthWindow& window) {
  RETURN_IF_ERROR(CheckRange(field + ".start_minute", window.start_minute(), 0, kMinutesOfDay - 1));
  RETURN_IF_ERROR(CheckRange(field + ".end_minute", window.end_minute(), 1, kMinutesOfDay));
  if (window.start_minute() == window.end_minute()) {
    return rpc::FieldError(field + ".end_minute", "equals start_minute: the window is empty");
  }
  RETURN_IF_ERROR(CheckRange(field + ".weekday_mask", window.weekday_mask(), 0, kAllWeekdays));
  return CheckRate(field + ".limit_bytes_per_second", window.limit_bytes_per_second());
}

absl::Status CheckRetention(const std::string& field, const pb::RetentionRule& rule) {
  RETURN_IF_ERROR(CheckDuration(field + ".every", rule.has_every(), rule.every(),
                                absl::Milliseconds(1), kYear));
  RETURN_IF_ERROR(
      CheckDuration(field + ".age", rule.has_age(), rule.age(), absl::Seconds(1), 10 * kYear));
  if (!rule.has_every()) return rpc::FieldError(field + ".every", "is required");
  if (!rule.has_age()) return rpc::FieldError(field + ".age", "is required");
  if (rule.age().seconds() < rule.every().seconds()) {
    return rpc::FieldError(field + ".age", "is shorter than every: the rule keeps nothing");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckReplicationSettings(const std::string& prefix,
                                      const pb::ReplicationSettings& settings) {
  const auto field = [&](const char* name) { return absl::StrCat(prefix, ".", name); };
  RETURN_IF_ERROR(CheckRate(field("bandwidth_limit_bytes_per_second"),
                            settings.bandwidth_limit_bytes_per_second()));
  RETURN_IF_ERROR(
      CheckCount(field("bandwidth_windows"), settings.bandwidth_windows_size(), kMaxWindows));
  for (int i = 0; i < settings.bandwidth_windows_size(); ++i) {
    RETURN_IF_ERROR(CheckWindow(absl::StrCat(field("bandwidth_windows"), "[", i, "]"),
                                settings.bandwidth_windows(i)));
  }
  RETURN_IF_ERROR(CheckTags(field("worker_labels"), settings.worker_labels()));
  RETURN_IF_ERROR(CheckRange(field("lane_count"), settings.lane_count(), 0, kMaxLanes));
  RETURN_IF_ERROR(CheckRange(field("share_weight"), settings.share_weight(), 0, kMaxWeight));
  RETURN_IF_ERROR(CheckCount(field("retention"), settings.retention_size(), kMaxRetentionRules));
  for (int i = 0; i < settings.retention_size(); ++i) {
    RETURN_IF_ERROR(
        CheckRetention(absl::StrCat(field("retention"), "[", i, "]"), settings.retention(i)));
  }
  RETURN_IF_ERROR(CheckDuration(field("cut_interval"), settings.has_cut_interval(),
                                settings.cut_interval(), absl::ZeroDuration(), absl::Hours(24)));
  RETURN_IF_ERROR(CheckDuration(field("freeze_budget"), settings.has_freeze_budget(),
                                settings.freeze_budget(), absl::ZeroDuration(), absl::Seconds(5)));
  RETURN_IF_ERROR(CheckDuration(field("undo_window"), settings.has_undo_window(),
                                settings.undo_window(), absl::ZeroDuration(), kYear));
  std::size_t left = kMostNoteBytes;
  RETURN_IF_ERROR(CheckNotes(field("notes"), settings.notes(), &left));
  return CheckTags(field("staging_tags"), settings.staging_tags());
}

absl::Status CheckNotes(const std::string& field,
                        const google::protobuf::Map<std::string, std::string>& notes,
                        std::size_t* left) {
  RETURN_IF_ERROR(CheckCount(field, static_cast<int>(notes.size()), kMaxNotes));
  for (const auto& [name, value] : notes) {
    RETURN_IF_ERROR(CheckText(field, name, 1, kMaxNoteName));
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".", name), value, 1, kMostNoteBytes));
    if (name.size() + value.size() > *left) {
      return rpc::FieldError(field, absl::StrCat("notes of all of the settings may have ",
                                                 kMostNoteBytes, " bytes together"));
    }
    *left -= name.size() + value.size();
  }
  return absl::OkStatus();
}

absl::Status CheckMask(const google::protobuf::Descriptor& type,
                       const google::protobuf::FieldMask& mask) {
  if (mask.paths_size() == 0) return rpc::FieldError("update_mask", "is required");
  RETURN_IF_ERROR(CheckCount("update_mask", mask.paths_size(), kMaxPaths));
  for (const std::string& path : mask.paths()) {
    if (path != "*" && type.FindFieldByName(path) == nullptr) {
      return rpc::FieldError("update_mask",
                             absl::StrCat("\"", path, "\" is no top-level field of ", type.name()));
    }
  }
  return absl::OkStatus();
}

absl::Status MergeByMask(const google::protobuf::Message& source,
                         const google::protobuf::FieldMask& mask,
                         google::protobuf::Message* target) {
  const google::protobuf::Descriptor& type = *source.GetDescriptor();
  RETURN_IF_ERROR(CheckMask(type, mask));
  std::unique_ptr<google::protobuf::Message> chosen(source.New());
  chosen->CopyFrom(source);
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    bool named = false;
    for (const std::string& path : mask.paths()) named |= path == "*" || path == field->name();
    if (named) {
      target->GetReflection()->ClearField(target, field);
    } else {
      chosen->GetReflection()->ClearField(chosen.get(), field);
    }
  }
  target->MergeFrom(*chosen);
  return absl::OkStatus();
}

}  // namespace godwit::registry
