#include "cli/plan/yaml_message.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cli/format.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

using google::protobuf::Duration;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMostValues = 100'000;

bool IsBytes(const FieldDescriptor& field) { return absl::StrContains(field.name(), "bytes"); }
bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type() == Duration::descriptor();
}

// The values of `--option: text` errors without what is about options.
absl::string_view Reason(const absl::Status& status, absl::string_view option) {
  absl::string_view text(status.message().data(), status.message().size());
  absl::ConsumePrefix(&text, absl::StrCat("--", option, ": "));
  return text;
}

// Sets, or adds to when it is repeated, one scalar of a message.
class Scalar {
 public:
  Scalar(Message& message, const FieldDescriptor& field) : message_(message), field_(field) {}

  // INVALID_ARGUMENT without a place.
  absl::Status Set(const std::string& text) {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        Put(&google::protobuf::Reflection::SetString, &google::protobuf::Reflection::AddString,
            text);
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_BOOL:
        if (text != "true" && text != "false") {
          return absl::InvalidArgumentError("is neither true nor false");
        }
        Put(&google::protobuf::Reflection::SetBool, &google::protobuf::Reflection::AddBool,
            text == "true");
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_INT32: {
        int value = 0;
        if (!absl::SimpleAtoi(text, &value)) return absl::InvalidArgumentError("is no number");
        Put(&google::protobuf::Reflection::SetInt32, &google::protobuf::Reflection::AddInt32,
            value);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        ASSIGN_OR_RETURN(const std::int64_t value, Int64(text));
        Put(&google::protobuf::Reflection::SetInt64, &google::protobuf::Reflection::AddInt64,
            value);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const absl::StatusOr<int> value = ParseEnum(field_.name(), field_.enum_type(), text);
        if (!value.ok()) {
          return absl::InvalidArgumentError(Reason(value.status(), field_.name()));
        }
        Put(&google::protobuf::Reflection::SetEnumValue,
            &google::protobuf::Reflection::AddEnumValue, *value);
        return absl::OkStatus();
      }
      default:
        return absl::InvalidArgumentError("cannot be set in a plan file");
    }
  }

 private:
  absl::StatusOr<std::int64_t> Int64(const std::string& text) const {
    std::int64_t value = 0;
    if (absl::SimpleAtoi(text, &value)) return value;
    if (!IsBytes(field_)) return absl::InvalidArgumentError("is no number");
    const absl::StatusOr<std::int64_t> bytes = ParseBytes(field_.name(), text);
    if (!bytes.ok()) return absl::InvalidArgumentError(Reason(bytes.status(), field_.name()));
    return bytes;
  }
  template <typename Setter, typename Adder, typename Value>
  void Put(Setter setter, Adder adder, const Value& value) {
    const auto* const reflection = message_.GetReflection();
    if (field_.is_repeated()) {
      (reflection->*adder)(&message_, &field_, value);
    } else {
      (reflection->*setter)(&message_, &field_, value);
    }
  }

  Message& message_;
  const FieldDescriptor& field_;
};

absl::Status Put(YamlFile& file, const YAML::Node& node, const FieldDescriptor& field,
                 Message& message);

absl::Status PutMap(YamlFile& file, const YAML::Node& node, const FieldDescriptor& field,
                    Message& message) {
  RETURN_IF_ERROR(file.NeedMap(node, field.name(), {}));
  const auto* const key = field.message_type()->FindFieldByNumber(1);
  const auto* const value = field.message_type()->FindFieldByNumber(2);
  for (const auto& entry : node) {
    Message* const added = message.GetReflection()->AddMessage(&message, &field);
    RETURN_IF_ERROR(Put(file, entry.first, *key, *added));
    RETURN_IF_ERROR(Put(file, entry.second, *value, *added));
  }
  return absl::OkStatus();
}

// One value, which is the field or one entry of it.
absl::Status Put(YamlFile& file, const YAML::Node& node, const FieldDescriptor& field,
                 Message& message) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
    const auto* const reflection = message.GetReflection();
    Message* const inner = field.is_repeated() ? reflection->AddMessage(&message, &field)
                                               : reflection->MutableMessage(&message, &field);
    return MessageFromYaml(file, node, *inner).status();
  }
  ASSIGN_OR_RETURN(const std::string text, file.Text(node, field.name()));
  if (IsDuration(field)) {
    const absl::StatusOr<absl::Duration> span = ParseSpan(field.name(), text);
    if (!span.ok()) {
      return file.Error(node,
                        absl::StrCat(field.name(), ": ", Reason(span.status(), field.name())));
    }
    const auto* const reflection = message.GetReflection();
    (field.is_repeated() ? reflection->AddMessage(&message, &field)
                         : reflection->MutableMessage(&message, &field))
        ->CopyFrom(FromDuration(*span));
    return absl::OkStatus();
  }
  const absl::Status set = Scalar(message, field).Set(text);
  return set.ok() ? set
                  : file.Error(node, absl::StrCat(field.name(), ": \"", text, "\" ",
                                                  std::string(set.message())));
}

std::string EnumText(const google::protobuf::EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(value.name(), {{"_", "-"}}));
}

// One scalar of the field; `index` counts when it is repeated.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const auto* const reflection = message.GetReflection();
  const bool many = field.is_repeated();
  std::string scratch;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return many ? reflection->GetRepeatedStringReference(message, &field, index, &scratch)
                  : reflection->GetStringReference(message, &field, &scratch);
    case FieldDescriptor::CPPTYPE_BOOL:
      return (many ? reflection->GetRepeatedBool(message, &field, index)
                   : reflection->GetBool(message, &field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(many ? reflection->GetRepeatedInt32(message, &field, index)
                               : reflection->GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(many ? reflection->GetRepeatedInt64(message, &field, index)
                               : reflection->GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumText(many ? *reflection->GetRepeatedEnum(message, &field, index)
                           : *reflection->GetEnum(message, &field));
    default:
      return "?";
  }
}

void Emit(const Message& message, const FieldDescriptor& field, int index, YAML::Emitter& out) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    const std::string text = ScalarText(message, field, index);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      out << YAML::DoubleQuoted << text;
    } else {
      out << text;
    }
    return;
  }
  const auto* const reflection = message.GetReflection();
  const Message& inner = field.is_repeated()
                             ? reflection->GetRepeatedMessage(message, &field, index)
                             : reflection->GetMessage(message, &field);
  if (IsDuration(field)) {
    Duration duration;
    duration.CopyFrom(inner);
    out << absl::FormatDuration(ToDuration(duration));
  } else {
    MessageToYaml(inner, out);
  }
}

// Entries of a map by their keys, so that the same map is always written the same way.
void EmitMap(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  const auto* const reflection = message.GetReflection();
  std::map<std::string, const Message*> entries;
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, &field, i);
    entries[ScalarText(entry, *field.message_type()->FindFieldByNumber(1), 0)] = &entry;
  }
  out << YAML::BeginMap;
  for (const auto& [key, entry] : entries) {
    out << YAML::Key << YAML::DoubleQuoted << key << YAML::Value;
    Emit(*entry, *field.message_type()->FindFieldByNumber(2), 0, out);
  }
  out << YAML::EndMap;
}

void EmitField(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  if (field.is_map()) {
    EmitMap(message, field, out);
  } else if (field.is_repeated()) {
    out << YAML::BeginSeq;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      Emit(message, field, i, out);
    }
    out << YAML::EndSeq;
  } else {
    Emit(message, field, 0, out);
  }
}

}  // namespace

absl::Status YamlFile::Error(const YAML::Mark& mark, absl::string_view text) const {
  return absl::InvalidArgumentError(
      mark.is_null() ? absl::StrCat(path_, ": ", text)
                     : absl::StrCat(path_, ":", mark.line + 1, ":", mark.column + 1, ": ", text));
}

absl::Status YamlFile::Visit(const YAML::Node& node) {
  if (++visited_ <= kMostValues) return absl::OkStatus();
  return Error(node, absl::StrCat("the file has more than ", kMostValues, " values"));
}

absl::StatusOr<std::string> YamlFile::Text(const YAML::Node& node, absl::string_view what) {
  RETURN_IF_ERROR(Visit(node));
  if (!node.IsScalar()) return Error(node, absl::StrCat(what, ": must be one value"));
  return node.Scalar();
}

absl::Status YamlFile::NeedMap(const YAML::Node& node, absl::string_view what,
                               const std::set<std::string>& known) {
  RETURN_IF_ERROR(Visit(node));
  if (!node.IsMap()) return Error(node, absl::StrCat(what, ": must be a list of keys and values"));
  std::set<std::string> seen;
  for (const auto& entry : node) {
    ASSIGN_OR_RETURN(const std::string key, Text(entry.first, what));
    if (!known.empty() && !known.contains(key)) {
      return Error(entry.first, absl::StrCat("unknown key \"", key, "\" in ", what,
                                             "; there are: ", absl::StrJoin(known, ", ")));
    }
    if (!seen.insert(key).second) {
      return Error(entry.first, absl::StrCat("the key \"", key, "\" is there twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status YamlFile::NeedList(const YAML::Node& node, absl::string_view what) {
  RETURN_IF_ERROR(Visit(node));
  return node.IsSequence() ? absl::OkStatus() : Error(node, absl::StrCat(what, ": must be a list"));
}

absl::StatusOr<std::set<std::string>> MessageFromYaml(YamlFile& file, const YAML::Node& node,
                                                      Message& message) {
  const auto* const type = message.GetDescriptor();
  std::set<std::string> known;
  for (int i = 0; i < type->field_count(); ++i) known.insert(type->field(i)->name());
  RETURN_IF_ERROR(file.NeedMap(node, type->name(), known));
  std::set<std::string> names;
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const FieldDescriptor& field = *type->FindFieldByName(key);
    names.insert(key);
    if (field.is_map()) {
      RETURN_IF_ERROR(PutMap(file, entry.second, field, message));
    } else if (field.is_repeated()) {
      RETURN_IF_ERROR(file.NeedList(entry.second, key));
      for (const auto& item : entry.second) RETURN_IF_ERROR(Put(file, item, field, message));
    } else {
      RETURN_IF_ERROR(Put(file, entry.second, field, message));
    }
  }
  return names;
}

void MessageToYaml(const Message& message, YAML::Emitter& out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  out << YAML::BeginMap;
  for (const FieldDescriptor* field : fields) {
    out << YAML::Key << field->name() << YAML::Value;
    EmitField(message, *field, out);
  }
  out << YAML::EndMap;
}

std::string FieldText(const Message& message, const FieldDescriptor* field) {
  const auto* const reflection = message.GetReflection();
  const bool set = field->is_repeated() ? reflection->FieldSize(message, field) > 0
                                        : reflection->HasField(message, field);
  if (!set) return "-";
  YAML::Emitter out;
  out.SetMapFormat(YAML::Flow);
  out.SetSeqFormat(YAML::Flow);
  EmitField(message, *field, out);
  return absl::StrReplaceAll(out.c_str(), {{"\n", " "}});
}

}  // namespace godwit::cli
