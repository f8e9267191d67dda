#include "services/gateway/mgn/rpc/member_names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/rpc/serve.h"

namespace godwit::gateway::mgn {
namespace {

std::string Renamed(absl::string_view field, const MemberNames& names) {
  for (const auto& [from, to] : names) {
    absl::string_view rest = field;
    if (!absl::ConsumePrefix(&rest, from)) continue;
    if (rest.empty() || rest[0] == '[' || rest[0] == '.' || rest[0] == ' ') {
      return absl::StrCat(to, rest);
    }
  }
  return std::string(field);
}

}  // namespace

absl::Status InMembers(const absl::Status& status, const MemberNames& names) {
  rpc::ErrorInfo info = rpc::GetInfo(status);
  if (!absl::IsInvalidArgument(status) || info.field_violations.empty()) return status;
  std::string text(status.message());
  for (auto& [field, description] : info.field_violations) {
    std::string renamed = Renamed(field, names);
    absl::string_view rest = text;
    if (absl::ConsumePrefix(&rest, field)) text = absl::StrCat(renamed, rest);
    field = std::move(renamed);
  }
  return rpc::WithInfo(absl::InvalidArgumentError(text), info);
}

}  // namespace godwit::gateway::mgn
