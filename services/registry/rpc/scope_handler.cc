#include <grpcpp/impl/codegen/server_context.h>

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/fields.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/storage/scope_store.h"

namespace godwit::registry {
namespace {

using storage::UserScope;
using Names = google::protobuf::RepeatedPtrField<std::string>;

constexpr int kMaxGroups = 100, kMaxTags = 50;
constexpr std::size_t kMaxDescription = 256, kMaxKey = 128, kMaxValue = 256;

absl::Status CheckPrincipal(absl::string_view field, absl::string_view principal) {
  const absl::StatusOr<rpc::Identity> identity = rpc::ParsePrincipal(principal);
  if (identity.ok() && rpc::CanBeScoped(*identity)) return absl::OkStatus();
  return rpc::FieldError(
      field, "must be user/operator/NAME or user/viewer/NAME; nobody else can be limited");
}

absl::StatusOr<std::vector<std::string>> Ids(const std::string& field, const char* collection,
                                             const char* prefix, const Names& names) {
  RETURN_IF_ERROR(CheckCount(field, names.size(), kMaxGroups));
  std::set<std::string> ids;
  for (int i = 0; i < names.size(); ++i) {
    const std::string place = absl::StrCat(field, "[", i, "]");
    const absl::StatusOr<std::string> id = ParseName(place, collection, prefix, names[i]);
    if (!id.ok()) {
      return rpc::FieldError(
          place, absl::StrCat("must be ", collection, "/", prefix, " and 17 hexadecimal digits"));
    }
    if (!ids.insert(*id).second) return rpc::FieldError(place, "appears twice");
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

absl::StatusOr<std::vector<storage::ScopeTag>> Tags(const pb::Scope& scope) {
  RETURN_IF_ERROR(CheckCount("scope.tags", scope.tags_size(), kMaxTags));
  std::vector<storage::ScopeTag> tags;
  std::set<std::pair<std::string, std::optional<std::string>>> seen;
  for (int i = 0; i < scope.tags_size(); ++i) {
    const pb::TagSelector& tag = scope.tags(i);
    const std::string place = absl::StrCat("scope.tags[", i, "]");
    RETURN_IF_ERROR(CheckText(place + ".key", tag.key(), 1, kMaxKey));
    RETURN_IF_ERROR(CheckText(place + ".value", tag.value(), 0, kMaxValue));
    tags.push_back({.key = tag.key()});
    if (tag.has_value()) tags.back().value = tag.value();
    if (!seen.emplace(tags.back().key, tags.back().value).second) {
      return rpc::FieldError(place, "appears twice");
    }
  }
  return tags;
}

absl::StatusOr<UserScope> FromProto(const pb::Scope& scope) {
  UserScope out{.principal = scope.principal(), .description = scope.description()};
  RETURN_IF_ERROR(CheckPrincipal("scope.principal", scope.principal()));
  RETURN_IF_ERROR(CheckText("scope.description", scope.description(), 0, kMaxDescription));
  ASSIGN_OR_RETURN(out.applications,
                   Ids("scope.applications", "applications", "app-", scope.applications()));
  ASSIGN_OR_RETURN(out.waves, Ids("scope.waves", "waves", "wave-", scope.waves()));
  ASSIGN_OR_RETURN(out.tags, Tags(scope));
  if (out.applications.empty() && out.waves.empty() && out.tags.empty()) {
    return rpc::FieldError("scope", "names nothing; name an application, a wave or a tag");
  }
  return out;
}

pb::Scope ToProto(const UserScope& scope) {
  pb::Scope out;
  out.set_principal(scope.principal);
  for (const std::string& id : scope.applications) {
    out.add_applications(absl::StrCat("applications/", id));
  }
  for (const std::string& id : scope.waves) out.add_waves(absl::StrCat("waves/", id));
  for (const storage::ScopeTag& tag : scope.tags) {
    pb::TagSelector* selector = out.add_tags();
    selector->set_key(tag.key);
    if (tag.value) selector->set_value(*tag.value);
  }
  out.set_description(scope.description);
  out.set_changed_by(scope.changed_by);
  SetTime(scope.create_time, out.mutable_create_time());
  SetTime(scope.update_time, out.mutable_update_time());
  out.set_etag(Etag(scope.version));
  return out;
}

class ScopeHandler final : public pb::ScopeService::Service {
 public:
  explicit ScopeHandler(Backend& backend) : backend_(backend) {}

  grpc::Status SetScope(grpc::ServerContext* context, const pb::SetScopeRequest* request,
                        pb::Scope* response) override {
    const pb::Scope& wanted = request->scope();
    return ServeChange(
        context, backend_.mutator,
        {.method = "ScopeService.SetScope",
         .resource = wanted.principal(),
         .request_id = request->request_id(),
         .request = request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckRequestId(request->request_id()));
           return FromProto(wanted).status();
         },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(UserScope scope, FromProto(wanted));
           ASSIGN_OR_RETURN(const std::int64_t before,
                            storage::LockScope(connection, scope.principal));
           RETURN_IF_ERROR(CheckEtag(wanted.etag(), before));
           scope.changed_by = call.peer.Principal();
           ASSIGN_OR_RETURN(scope, storage::SaveScope(connection, scope));
           *response = ToProto(scope);
           return absl::OkStatus();
         }});
  }

  grpc::Status DeleteScope(grpc::ServerContext* context, const pb::DeleteScopeRequest* request,
                           pb::DeleteScopeResponse* response) override {
    return ServeChange(context, backend_.mutator,
                       {.method = "ScopeService.DeleteScope",
                        .resource = request->principal(),
                        .request = request},
                       response,
                       {.check = [&] { return CheckPrincipal("principal", request->principal()); },
                        .apply =
                            [&](pg::Connection& connection, const rpc::Call&) {
                              return storage::DeleteScope(connection, request->principal());
                            }});
  }

  grpc::Status ListScopes(grpc::ServerContext* context, const pb::ListScopesRequest* request,
                          pb::ListScopesResponse* response) override {
    return rpc::Serve(context, "ScopeService.ListScopes", [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
      ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
      if (!request->principal().empty()) {
        RETURN_IF_ERROR(CheckPrincipal("principal", request->principal()));
      }
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
      ASSIGN_OR_RETURN(
          const std::vector<UserScope> scopes,
          storage::ListScopes(*connection, request->principal(), after.time, after.id, size + 1));
      for (int i = 0; i < size && i < static_cast<int>(scopes.size()); ++i) {
        *response->add_scopes() = ToProto(scopes[i]);
      }
      if (static_cast<int>(scopes.size()) > size) {
        const UserScope& last = scopes[size - 1];
        response->set_next_page_token(PageToken({last.create_time, last.principal}));
      }
      return absl::OkStatus();
    });
  }

  grpc::Status ResolveScope(grpc::ServerContext* context, const pb::ResolveScopeRequest* request,
                            pb::ResolvedScope* response) override {
    return rpc::Serve(context, "ScopeService.ResolveScope", [&](const rpc::Call&) -> absl::Status {
      const absl::StatusOr<rpc::Identity> user = rpc::ParsePrincipal(request->principal());
      if (!user.ok() || user->kind != rpc::PeerKind::kUser) {
        return rpc::FieldError("principal", "must be user/ROLE/NAME");
      }
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
      ASSIGN_OR_RETURN(const auto names,
                       storage::AllNamesWithin(*connection, request->principal()));
      response->set_limited(names.has_value());
      if (names) response->mutable_names()->Assign(names->begin(), names->end());
      return absl::OkStatus();
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeScopeHandler(Backend& backend) {
  return std::make_unique<ScopeHandler>(backend);
}

}  // namespace godwit::registry
