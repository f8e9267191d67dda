#include "services/gateway/mgn/rpc/changes.h"

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/settings.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/launch_settings_json.h"
#include "services/gateway/mgn/rpc/replication_settings_json.h"
#include "services/gateway/mgn/rpc/server_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using jobs::v1::LaunchSettings;
using Servers = pb::SourceServerService::Stub;
using Templates = pb::SettingsTemplateService::Stub;

constexpr int kAttempts = 10;  // of n that come at once, one succeeds each time
constexpr int kTemplatePage = 500;
constexpr int kMostTemplatePages = 20;

std::unique_ptr<Servers> ServerStub(const Call& call) {
  return pb::SourceServerService::NewStub(call.services().registry);
}
std::unique_ptr<Templates> TemplateStub(const Call& call) {
  return pb::SettingsTemplateService::NewStub(call.services().registry);
}

// Until the answer is another than ABORTED: the etag was stale.
template <typename Answer>
absl::StatusOr<Answer> UntilFresh(const std::function<absl::StatusOr<Answer>()>& attempt) {
  absl::StatusOr<Answer> answer = attempt();
  for (int i = 1; i < kAttempts && absl::IsAborted(answer.status()); ++i) answer = attempt();
  return answer;
}

absl::StatusOr<pb::SettingsTemplate> GetTemplate(const Call& call, const std::string& id) {
  pb::GetSettingsTemplateRequest request;
  request.set_name(absl::StrCat("settingsTemplates/", id));
  return call.Ask(TemplateStub(call), &Templates::GetSettingsTemplate, request);
}

}  // namespace

absl::StatusOr<pb::ReplicationSettings> GetReplicationSettings(const Call& call,
                                                               const std::string& server) {
  pb::GetSettingsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(server));
  return call.Ask(ServerStub(call), &Servers::GetReplicationSettings, request);
}

absl::StatusOr<LaunchSettings> GetLaunchSettings(const Call& call, const std::string& server) {
  pb::GetSettingsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(server));
  return call.Ask(ServerStub(call), &Servers::GetLaunchSettings, request);
}

absl::StatusOr<pb::SettingsTemplate> FindTemplate(const Call& call, Half half,
                                                  const std::string& id) {
  const absl::Status none =
      absl::NotFoundError(absl::StrCat("there is no ", TemplateLabel(half, id)));
  if (TemplateId(half, id) == id) {
    // Its id here as well, if the MGN API made it.
    const absl::StatusOr<pb::SettingsTemplate> made = GetTemplate(call, id);
    if (!absl::IsNotFound(made.status())) return made;
  }
  pb::ListSettingsTemplatesRequest request;
  request.set_page_size(kTemplatePage);
  for (int i = 0; i < kMostTemplatePages; ++i) {
    ASSIGN_OR_RETURN(pb::ListSettingsTemplatesResponse page,
                     call.Ask(TemplateStub(call), &Templates::ListSettingsTemplates, request));
    for (const pb::SettingsTemplate& one : page.templates()) {
      if (HasHalf(half, one.name()) && TemplateId(half, one.name()) == id) return one;
    }
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return none;
}

absl::StatusOr<pb::ReplicationSettings> ChangeReplication(
    const Call& call, const std::string& server,
    const std::function<absl::Status(const pb::SourceServer&, pb::ReplicationSettings*)>& change) {
  return UntilFresh<pb::ReplicationSettings>([&]() -> absl::StatusOr<pb::ReplicationSettings> {
    // The etag before the settings: never newer than they are.
    ASSIGN_OR_RETURN(const pb::SourceServer now, GetServer(call, server));
    pb::UpdateReplicationSettingsRequest request;
    ASSIGN_OR_RETURN(*request.mutable_settings(), GetReplicationSettings(call, server));
    RETURN_IF_ERROR(change(now, request.mutable_settings()));
    request.set_name(now.name());
    request.set_etag(now.etag());
    for (const char* field : kReplicationFields) request.mutable_update_mask()->add_paths(field);
    return call.Ask(ServerStub(call), &Servers::UpdateReplicationSettings, request);
  });
}

absl::StatusOr<LaunchSettings> ChangeLaunch(
    const Call& call, const std::string& server,
    const std::function<absl::Status(LaunchSettings*)>& change) {
  return UntilFresh<LaunchSettings>([&]() -> absl::StatusOr<LaunchSettings> {
    ASSIGN_OR_RETURN(const pb::SourceServer now, GetServer(call, server));
    pb::UpdateLaunchSettingsRequest request;
    ASSIGN_OR_RETURN(*request.mutable_settings(), GetLaunchSettings(call, server));
    RETURN_IF_ERROR(change(request.mutable_settings()));
    request.set_name(now.name());
    request.set_etag(now.etag());
    for (const char* field : kLaunchFields) request.mutable_update_mask()->add_paths(field);
    return call.Ask(ServerStub(call), &Servers::UpdateLaunchSettings, request);
  });
}

absl::StatusOr<pb::SettingsTemplate> ChangeTemplate(
    const Call& call, Half half, const std::string& id, const std::vector<std::string>& fields,
    const std::function<absl::Status(pb::SettingsTemplate*)>& change) {
  return UntilFresh<pb::SettingsTemplate>([&]() -> absl::StatusOr<pb::SettingsTemplate> {
    pb::UpdateSettingsTemplateRequest request;
    ASSIGN_OR_RETURN(*request.mutable_template_(), FindTemplate(call, half, id));
    RETURN_IF_ERROR(change(request.mutable_template_()));
    for (const std::string& field : fields) request.mutable_update_mask()->add_paths(field);
    return call.Ask(TemplateStub(call), &Templates::UpdateSettingsTemplate, request);
  });
}

}  // namespace godwit::gateway::mgn
