#include "cli/plan/plan_apply.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::FleetService;
using registry::v1::SourceServerService;
using Fleet = FleetService::Stub;
using Servers = SourceServerService::Stub;
using Kind = Change::Kind;

constexpr std::size_t kMostMembers = 200;  // of one call

class Applier {
 public:
  Applier(Context& context, const FleetState& state) : context_(context) {
    for (const auto& wave : state.waves) waves_[wave.display_name()] = wave.name();
    for (const auto& application : state.applications) {
      applications_[application.display_name()] = application.name();
    }
  }

  absl::Status Make(const Change& change) {
    switch (change.kind) {
      case Kind::kCreateWave:
        return CreateWave(change.wave);
      case Kind::kCreateApplication:
        return CreateApplication(change.application);
      case Kind::kUpdateWave: {
        registry::v1::UpdateWaveRequest request;
        *request.mutable_wave() = change.wave;
        return Update(&Fleet::UpdateWave, change, request);
      }
      case Kind::kUpdateApplication: {
        registry::v1::UpdateApplicationRequest request;
        *request.mutable_application() = change.application;
        return Update(&Fleet::UpdateApplication, change, request);
      }
      case Kind::kTakeServers:
        return Members(&Fleet::DisassociateSourceServers, change.group_name, change.members);
      case Kind::kTakeApplications:
        return Members(&Fleet::DisassociateApplications, change.group_name, change.members);
      case Kind::kPutServers:
        return Members(&Fleet::AssociateSourceServers, applications_[change.group], change.members);
      case Kind::kPutApplications:
        return PutApplications(change);
      case Kind::kLaunchSettings: {
        registry::v1::UpdateLaunchSettingsRequest request;
        request.set_name(change.server);
        *request.mutable_settings() = change.launch;
        return Update(&Servers::UpdateLaunchSettings, change, request);
      }
      case Kind::kReplicationSettings: {
        registry::v1::UpdateReplicationSettingsRequest request;
        request.set_name(change.server);
        *request.mutable_settings() = change.replication;
        return Update(&Servers::UpdateReplicationSettings, change, request);
      }
    }
    return absl::InternalError("unknown kind of change");
  }

 private:
  absl::Status CreateWave(const registry::v1::Wave& wave) {
    registry::v1::CreateWaveRequest request;
    request.set_request_id(NewUuid());
    *request.mutable_wave() = wave;
    ASSIGN_OR_RETURN(const auto made, Call(context_, &Fleet::CreateWave, request));
    waves_[made.display_name()] = made.name();
    return absl::OkStatus();
  }
  absl::Status CreateApplication(const registry::v1::Application& application) {
    registry::v1::CreateApplicationRequest request;
    request.set_request_id(NewUuid());
    *request.mutable_application() = application;
    ASSIGN_OR_RETURN(const auto made, Call(context_, &Fleet::CreateApplication, request));
    applications_[made.display_name()] = made.name();
    return absl::OkStatus();
  }
  template <typename Method, typename Request>
  absl::Status Update(Method method, const Change& change, Request& request) {
    for (const std::string& path : change.paths) request.mutable_update_mask()->add_paths(path);
    return Call(context_, method, request).status();
  }
  template <typename Method>
  absl::Status Members(Method method, const std::string& group,
                       const std::vector<std::string>& members) {
    for (std::size_t at = 0; at < members.size(); at += kMostMembers) {
      registry::v1::AssociateRequest request;
      request.set_name(group);
      request.set_request_id(NewUuid());
      for (std::size_t i = at; i < std::min(members.size(), at + kMostMembers); ++i) {
        request.add_members(members[i]);
      }
      RETURN_IF_ERROR(Call(context_, method, request));
    }
    return absl::OkStatus();
  }
  absl::Status PutApplications(const Change& change) {
    std::vector<std::string> names;
    for (const std::string& display_name : change.members) {
      names.push_back(applications_[display_name]);
    }
    return Members(&Fleet::AssociateApplications, waves_[change.group], names);
  }

  Context& context_;
  std::map<std::string, std::string> waves_, applications_;  // display name -> name
};

}  // namespace

absl::Status ApplyChanges(Context& context, const FleetState& state,
                          const std::vector<Change>& changes,
                          const std::function<void(const Change&)>& done) {
  Applier applier(context, state);
  for (const Change& change : changes) {
    RETURN_IF_ERROR(Annotate(applier.Make(change), change.lines.front().substr(2)));
    done(change);
  }
  return absl::OkStatus();
}

}  // namespace godwit::cli
