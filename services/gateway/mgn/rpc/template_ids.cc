#include "services/gateway/mgn/rpc/template_ids.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/gateway/mgn/names.h"
#include "services/gateway/sigv4/canonical.h"

namespace godwit::gateway::mgn {
namespace {

constexpr std::size_t kDigits = 17;

absl::string_view Prefix(Half half) { return half == Half::kReplication ? "rct-" : "lct-"; }

bool IsIdOf(Half half, absl::string_view id) { return CheckId("id", Prefix(half), id).ok(); }

Half Other(Half half) { return half == Half::kReplication ? Half::kLaunch : Half::kReplication; }

}  // namespace

std::string TemplateId(Half half, absl::string_view name) {
  const std::string id = IdOf(name);
  if (IsIdOf(half, id)) return id;
  return absl::StrCat(Prefix(half),
                      sigv4::HexSha256(absl::StrCat("godwit template\n", Prefix(half), "\n", id))
                          .substr(0, kDigits));
}

bool HasHalf(Half half, absl::string_view name) { return !IsIdOf(Other(half), IdOf(name)); }

absl::string_view TemplateArnType(Half half) {
  return half == Half::kReplication ? "replication-configuration-template"
                                    : "launch-configuration-template";
}

std::string TemplateLabel(Half half, absl::string_view id) {
  return absl::StrCat(half == Half::kReplication ? "replicationTemplates/" : "launchTemplates/",
                      id);
}

}  // namespace godwit::gateway::mgn
