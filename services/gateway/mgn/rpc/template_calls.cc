// Templates of replication and of launch settings: two halves of the templates here.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/settings.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/changes.h"
#include "services/gateway/mgn/rpc/template_json.h"
#include "services/gateway/sigv4/canonical.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;
using Stub = pb::SettingsTemplateService::Stub;

constexpr int kDefaultPage = 50;
constexpr int kMostOfRegistry = 500;
constexpr char kDefault[] = "settingsTemplates/default";

std::string IdIn(Half half, const json& input) { return input[TemplateIdMember(half)]; }

// The same id when the client sends the request again.
std::string NewTemplateId(Half half, const Call& call) {
  return absl::StrCat(half == Half::kReplication ? "rct-" : "lct-",
                      sigv4::HexSha256(call.ChangeId("template")).substr(0, 17));
}

OperationFunction Create(Half half) {
  return [half](const Call& call, const json& input) -> absl::StatusOr<json> {
    pb::CreateSettingsTemplateRequest request;
    request.set_request_id(call.ChangeId());
    request.set_template_id(NewTemplateId(half, call));
    const Documents documents(call.services().documents_dir);
    RETURN_IF_ERROR(ReadTemplate(half, input, documents, request.mutable_template_()));
    RETURN_IF_ERROR(
        ReadTemplateTags(half, input.value("tags", json::object()), request.mutable_template_()));
    ASSIGN_OR_RETURN(const pb::SettingsTemplate made,
                     call.Ask(pb::SettingsTemplateService::NewStub(call.services().registry),
                              &Stub::CreateSettingsTemplate, request));
    return TemplateJson(half, made, call.place());
  };
}

// A request may name the template twice.
absl::Status CheckArn(Half half, const Call& call, const json& input) {
  if (!input.contains("arn")) return absl::OkStatus();
  const std::optional<Resource> resource = ParseArn(input["arn"].get<std::string>(), call.place());
  if (resource && resource->type == TemplateArnType(half) && resource->id == IdIn(half, input)) {
    return absl::OkStatus();
  }
  return rpc::FieldError("arn", absl::StrCat("is not that of ", IdIn(half, input)));
}

OperationFunction Update(Half half) {
  return [half](const Call& call, const json& input) -> absl::StatusOr<json> {
    RETURN_IF_ERROR(CheckArn(half, call, input));
    const Documents documents(call.services().documents_dir);
    ASSIGN_OR_RETURN(
        const pb::SettingsTemplate saved,
        ChangeTemplate(
            call, half, IdIn(half, input), {half == Half::kReplication ? "replication" : "launch"},
            [&](pb::SettingsTemplate* one) { return ReadTemplate(half, input, documents, one); }));
    return TemplateJson(half, saved, call.place());
  };
}

OperationFunction Delete(Half half) {
  return [half](const Call& call, const json& input) -> absl::StatusOr<json> {
    const std::string id = IdIn(half, input);
    ASSIGN_OR_RETURN(const pb::SettingsTemplate found, FindTemplate(call, half, id));
    if (IdOf(found.name()) != id) {
      const std::string why =
          found.name() == kDefault
              ? "is the default of the installation, which always exists; update it instead"
              : absl::StrCat("is one half of ", found.name(),
                             "; whoever made that by gRPC can delete it there");
      return absl::FailedPreconditionError(absl::StrCat(TemplateLabel(half, id), " ", why));
    }
    pb::DeleteSettingsTemplateRequest request;
    request.set_name(found.name());
    RETURN_IF_ERROR(call.Ask(pb::SettingsTemplateService::NewStub(call.services().registry),
                             &Stub::DeleteSettingsTemplate, request)
                        .status());
    return json::object();
  };
}

struct Page {
  json items = json::array();
  std::string next;  // place of the next one; empty at the end
};

absl::StatusOr<Page> ById(Half half, const Call& call, const std::set<std::string>& ids,
                          const std::string& place, std::size_t most) {
  Page page;
  // The place is the last id of the page before.
  for (auto id = ids.upper_bound(place); id != ids.end(); ++id) {
    ASSIGN_OR_RETURN(const pb::SettingsTemplate found, FindTemplate(call, half, *id));
    page.items.push_back(TemplateJson(half, found, call.place()));
    if (page.items.size() == most && std::next(id) != ids.end()) {
      page.next = *id;
      break;
    }
  }
  return page;
}

absl::StatusOr<Page> ByList(Half half, const Call& call, const std::string& place, int most) {
  pb::ListSettingsTemplatesRequest request;
  request.set_page_token(place);
  request.set_page_size(std::min(kMostOfRegistry, most));
  ASSIGN_OR_RETURN(const pb::ListSettingsTemplatesResponse found,
                   call.Ask(pb::SettingsTemplateService::NewStub(call.services().registry),
                            &Stub::ListSettingsTemplates, request));
  Page page{.next = found.next_page_token()};
  for (const pb::SettingsTemplate& one : found.templates()) {
    if (HasHalf(half, one.name())) page.items.push_back(TemplateJson(half, one, call.place()));
  }
  return page;
}

OperationFunction Describe(Half half) {
  return [half](const Call& call, const json& input) -> absl::StatusOr<json> {
    const auto ids =
        input.value(absl::StrCat(TemplateIdMember(half), "s"), std::set<std::string>());
    const std::string filter = json(ids).dump();
    ASSIGN_OR_RETURN(const std::string place,
                     ParsePageToken(call.operation().name, filter, input.value("nextToken", "")));
    const int most = input.value("maxResults", kDefaultPage);
    ASSIGN_OR_RETURN(Page page, ids.empty()
                                    ? ByList(half, call, place, most)
                                    : ById(half, call, ids, place, static_cast<std::size_t>(most)));
    json out = {{"items", std::move(page.items)}};
    if (!page.next.empty()) out["nextToken"] = PageToken(call.operation().name, filter, page.next);
    return out;
  };
}

}  // namespace

OperationList TemplateCalls() {
  return {{"CreateReplicationConfigurationTemplate", Create(Half::kReplication)},
          {"UpdateReplicationConfigurationTemplate", Update(Half::kReplication)},
          {"DescribeReplicationConfigurationTemplates", Describe(Half::kReplication)},
          {"DeleteReplicationConfigurationTemplate", Delete(Half::kReplication)},
          {"CreateLaunchConfigurationTemplate", Create(Half::kLaunch)},
          {"UpdateLaunchConfigurationTemplate", Update(Half::kLaunch)},
          {"DescribeLaunchConfigurationTemplates", Describe(Half::kLaunch)},
          {"DeleteLaunchConfigurationTemplate", Delete(Half::kLaunch)}};
}

}  // namespace godwit::gateway::mgn
