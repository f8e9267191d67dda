#include "services/registry/rpc/server_reads.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {

absl::Status GetServer(Backend& backend, const pb::GetSourceServerRequest& request,
                       pb::SourceServer* response) {
  ASSIGN_OR_RETURN(const std::string id, ServerId("name", request.name()));
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  ASSIGN_OR_RETURN(const SourceServer server, storage::GetServer(*connection, id));
  ASSIGN_OR_RETURN(*response, ToProto(server));
  return absl::OkStatus();
}

absl::Status ListServers(Backend& backend, const rpc::Call& call,
                         const pb::ListSourceServersRequest& request,
                         pb::ListSourceServersResponse* response) {
  ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request.page_token()));
  storage::ServerQuery query{.show_archived = request.show_archived(),
                             .scope_of = call.scoped_principal(),
                             .after_time = after.time,
                             .after_id = after.id,
                             .limit = size + 1};
  for (const int state : request.lifecycle_states()) {
    if (state < kFirstLifecycle || state > kLastLifecycle) {
      return rpc::FieldError("lifecycle_states", absl::StrCat(state, " is no state"));
    }
    query.states.push_back(static_cast<Lifecycle>(state));
  }
  if (!request.application().empty()) {
    const absl::StatusOr<std::string> application =
        ParseName("application", "applications", "app-", request.application());
    if (!application.ok()) {
      return rpc::FieldError("application", application.status().message());
    }
    query.application = *application;
  }
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  ASSIGN_OR_RETURN(const std::vector<SourceServer> servers,
                   storage::ListServers(*connection, query));
  for (int i = 0; i < size && i < static_cast<int>(servers.size()); ++i) {
    ASSIGN_OR_RETURN(*response->add_source_servers(), ToProto(servers[i]));
  }
  if (static_cast<int>(servers.size()) > size) {
    response->set_next_page_token(PageToken({servers[size - 1].create_time, servers[size - 1].id}));
  }
  return absl::OkStatus();
}

absl::Status ListHistory(Backend& backend, const pb::ListServerHistoryRequest& request,
                         pb::ListServerHistoryResponse* response) {
  ASSIGN_OR_RETURN(const std::string id, ServerId("name", request.name()));
  ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::int64_t after, ParseNumberToken(request.page_token()));
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  RETURN_IF_ERROR(storage::GetServer(*connection, id));
  ASSIGN_OR_RETURN(const std::vector<storage::HistoryRow> rows,
                   storage::ListHistory(*connection, id, after, size + 1));
  for (int i = 0; i < size && i < static_cast<int>(rows.size()); ++i) {
    pb::HistoryEntry* entry = response->add_entries();
    entry->set_version(rows[i].version);
    SetTime(rows[i].time, entry->mutable_time());
    entry->set_lifecycle_state(static_cast<pb::SourceServer::LifecycleState>(rows[i].lifecycle));
    entry->set_event(rows[i].event);
    entry->set_principal(rows[i].principal);
  }
  if (static_cast<int>(rows.size()) > size) {
    response->set_next_page_token(NumberToken(rows[size - 1].version));
  }
  return absl::OkStatus();
}

}  // namespace godwit::registry
