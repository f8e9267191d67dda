// Applications and waves have the same operations; here is where they differ.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::gateway::mgn {

template <typename Message>
struct GroupKind;

template <>
struct GroupKind<registry::v1::Application> {
  using Stub = registry::v1::FleetService::Stub;
  using Create = registry::v1::CreateApplicationRequest;
  using Update = registry::v1::UpdateApplicationRequest;
  using List = registry::v1::ListApplicationsResponse;
  static constexpr char kCollection[] = "applications", kPrefix[] = "app-";
  static constexpr char kField[] = "application", kId[] = "applicationID";
  static constexpr char kIdsFilter[] = "applicationIDs", kTagType[] = "application";
  static constexpr char kMemberIds[] = "sourceServerIDs", kMemberCollection[] = "sourceServers",
                        kMemberPrefix[] = "s-";
  static constexpr auto kGet = &Stub::GetApplication;
  static constexpr auto kList = &Stub::ListApplications;
  static constexpr auto kCreate = &Stub::CreateApplication;
  static constexpr auto kUpdate = &Stub::UpdateApplication;
  static constexpr auto kDelete = &Stub::DeleteApplication;
  template <typename Request>
  static registry::v1::Application& In(Request& request) {
    return *request.mutable_application();
  }
  static const auto& Items(const List& page) { return page.applications(); }
};

template <>
struct GroupKind<registry::v1::Wave> {
  using Stub = registry::v1::FleetService::Stub;
  using Create = registry::v1::CreateWaveRequest;
  using Update = registry::v1::UpdateWaveRequest;
  using List = registry::v1::ListWavesResponse;
  static constexpr char kCollection[] = "waves", kPrefix[] = "wave-";
  static constexpr char kField[] = "wave", kId[] = "waveID";
  static constexpr char kIdsFilter[] = "waveIDs", kTagType[] = "wave";
  static constexpr char kMemberIds[] = "applicationIDs", kMemberCollection[] = "applications",
                        kMemberPrefix[] = "app-";
  static constexpr auto kGet = &Stub::GetWave;
  static constexpr auto kList = &Stub::ListWaves;
  static constexpr auto kCreate = &Stub::CreateWave;
  static constexpr auto kUpdate = &Stub::UpdateWave;
  static constexpr auto kDelete = &Stub::DeleteWave;
  template <typename Request>
  static registry::v1::Wave& In(Request& request) {
    return *request.mutable_wave();
  }
  static const auto& Items(const List& page) { return page.waves(); }
};

// "app-..." -> "applications/app-...". NOT_FOUND when MGN allows the id and Godwit never gave it.
inline absl::StatusOr<std::string> ResourceName(absl::string_view collection,
                                                absl::string_view prefix, absl::string_view id) {
  const std::string name = absl::StrCat(collection, "/", id);
  if (CheckId("id", prefix, id).ok()) return name;
  return absl::NotFoundError(absl::StrCat("there is no ", name));
}

}  // namespace godwit::gateway::mgn
