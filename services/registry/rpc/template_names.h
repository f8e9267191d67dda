// Names of settings templates in requests.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::registry {

// What is asked of a template. Those that were made through the API of MGN have one half; the
// prefix of their id ("rct-", "lct-") says which.
enum class TemplateHalf { kReplication, kLaunch };

// INVALID_ARGUMENT naming `field` unless 1 to 64 characters of a-z, 0-9 and dash.
absl::StatusOr<std::string> CheckTemplateId(absl::string_view field, absl::string_view id);
// "settingsTemplates/databases" -> "databases".
absl::StatusOr<std::string> TemplateId(absl::string_view field, absl::string_view name);
// The same of an optional field ("" -> ""); INVALID_ARGUMENT also when the template lacks `half`.
absl::StatusOr<std::string> TemplateOf(absl::string_view field, absl::string_view name,
                                       TemplateHalf half);
// "databases" -> "settingsTemplates/databases", "" -> "".
std::string TemplateName(absl::string_view id);

}  // namespace godwit::registry
