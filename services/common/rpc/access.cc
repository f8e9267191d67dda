#include "services/common/rpc/access.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

constexpr char kGatewayId[] = "gateway";

// Part of gRPC itself; they tell nothing that is not public.
constexpr absl::string_view kOpenServices[] = {"grpc.health.v1.Health",
                                               "grpc.reflection.v1alpha.ServerReflection"};

std::uint32_t AccessBit(const Identity& peer) {
  switch (peer.kind) {
    case PeerKind::kAgent:
      return kAgents;
    case PeerKind::kWorker:
      return kWorkers;
    case PeerKind::kConversionWorker:
      return kConversionWorkers;
    case PeerKind::kService:
      return peer.id == kGatewayId ? kGateway : kServices;
    case PeerKind::kUser:
      switch (peer.role) {
        case UserRole::kViewer:
          return kViewers;
        case UserRole::kOperator:
          return kOperators;
        case UserRole::kAdmin:
          return kAdmins;
        case UserRole::kNone:
          return 0;
      }
  }
  return 0;
}

struct BitName {
  std::uint32_t bit;
  const char* name;
};
constexpr BitName kBitNames[] = {
    {kAgents, "agent"},     {kWorkers, "worker"}, {kConversionWorkers, "conversion-worker"},
    {kServices, "service"}, {kViewers, "viewer"}, {kOperators, "operator"},
    {kAdmins, "admin"},     {kGateway, "gateway"}};

std::string NamesOf(std::uint32_t access) {
  std::vector<absl::string_view> names;
  for (const BitName& entry : kBitNames) {
    if ((access & entry.bit) != 0) names.push_back(entry.name);
  }
  return names.empty() ? "nobody" : absl::StrJoin(names, ", ");
}

}  // namespace

const MethodRule* FindRule(absl::string_view method) {
  static const auto& index = *[] {
    auto* const made = new absl::flat_hash_map<absl::string_view, const MethodRule*>;
    for (const MethodRule& rule : AccessTable()) made->emplace(rule.method, &rule);
    return made;
  }();
  const auto found = index.find(method);
  return found == index.end() ? nullptr : found->second;
}

absl::Status CheckAccess(const Identity& peer, std::uint32_t access) {
  if ((AccessBit(peer) & access) != 0) return absl::OkStatus();
  return WithInfo(absl::PermissionDeniedError(absl::StrCat(
                      peer.Principal(), " may not call this; it is for: ", NamesOf(access))),
                  {.reason = "ROLE_NOT_ALLOWED", .metadata = {{"allowed", NamesOf(access)}}});
}

absl::Status CheckServices(const std::vector<std::string>& services) {
  for (const std::string& name : services) {
    if (std::find(std::begin(kOpenServices), std::end(kOpenServices), name) !=
        std::end(kOpenServices)) {
      continue;
    }
    const google::protobuf::ServiceDescriptor* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat("the service ", name, " is not known"));
    }
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = absl::StrCat(name, "/", service->method(i)->name());
      if (FindRule(method) == nullptr) {
        return absl::FailedPreconditionError(absl::StrCat(
            method, " has no rule in services/common/rpc/access_table.cc: nobody may call it"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::rpc
