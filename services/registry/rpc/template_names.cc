#include "services/registry/rpc/template_names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::registry {
namespace {

constexpr absl::string_view kCollection = "settingsTemplates/";
constexpr std::size_t kMaxTemplateId = 64;

}  // namespace

absl::StatusOr<std::string> CheckTemplateId(absl::string_view field, absl::string_view id) {
  bool good = !id.empty() && id.size() <= kMaxTemplateId;
  for (const char c : id)
    good = good && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
  if (!good) return rpc::FieldError(field, "must be 1 to 64 characters of a-z, 0-9 and dash");
  return std::string(id);
}

absl::StatusOr<std::string> TemplateId(absl::string_view field, absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kCollection)) {
    return rpc::FieldError(field, "must be settingsTemplates/{id}");
  }
  return CheckTemplateId(field, name);
}

absl::StatusOr<std::string> TemplateOf(absl::string_view field, absl::string_view name,
                                       TemplateHalf half) {
  if (name.empty()) return std::string();
  ASSIGN_OR_RETURN(std::string id, TemplateId(field, name));
  const bool replication = half == TemplateHalf::kReplication;
  if (CheckId("id", replication ? "lct-" : "rct-", id).ok()) {
    return rpc::FieldError(field,
                           absl::StrCat(name, " has ", replication ? "launch" : "replication",
                                        " settings only; name one that has ",
                                        replication ? "replication" : "launch", " settings"));
  }
  return id;
}

std::string TemplateName(absl::string_view id) {
  return id.empty() ? std::string() : absl::StrCat(kCollection, id);
}

}  // namespace godwit::registry
