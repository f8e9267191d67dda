#include "services/gateway/mgn/rpc/server_list.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/server_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
namespace replication_pb = ::godwit::replication::v1;
using nlohmann::json;

constexpr int kDefaultPage = 50;
constexpr int kMostOfRegistry = 500;
constexpr int kMostPages = 10;
constexpr std::size_t kFewServers = 16;  // up to here replications are asked for one by one

struct Page {
  std::vector<pb::SourceServer> servers;
  std::string next;  // place of the next one; empty at the end
};

std::set<std::string> Texts(const json& filters, const char* name) {
  return filters.value(name, std::set<std::string>());
}

class Filter {
 public:
  explicit Filter(const json& filters)
      : ids_(Texts(filters, "sourceServerIDs")),
        states_(Texts(filters, "lifeCycleStates")),
        applications_(Texts(filters, "applicationIDs")) {
    if (filters.contains("isArchived")) archived_ = filters["isArchived"].get<bool>();
    const std::set<std::string> types = Texts(filters, "replicationTypes");
    nothing_ = !types.empty() && types.count("AGENT_BASED") == 0;
  }
  bool nothing() const { return nothing_; }
  const std::set<std::string>& ids() const { return ids_; }

  bool Takes(const pb::SourceServer& server) const {
    if (archived_ && *archived_ != server.archived()) return false;
    const std::string state = pb::SourceServer::LifecycleState_Name(server.lifecycle_state());
    if (!states_.empty() && states_.count(state) == 0) return false;
    return applications_.empty() || applications_.count(IdOf(server.application())) > 0;
  }
  // What the registry can do of it.
  void Narrow(pb::ListSourceServersRequest& request) const {
    request.set_show_archived(!archived_ || *archived_);
    for (const std::string& name : states_) {
      pb::SourceServer::LifecycleState state;
      if (pb::SourceServer::LifecycleState_Parse(name, &state)) {
        request.add_lifecycle_states(state);
      }
    }
    // One that has none of our ids has no servers, as Takes() finds.
    if (applications_.size() == 1 &&
        CheckId("applicationIDs", "app-", *applications_.begin()).ok()) {
      request.set_application(absl::StrCat("applications/", *applications_.begin()));
    }
  }

 private:
  const std::set<std::string> ids_, states_, applications_;
  std::optional<bool> archived_;
  bool nothing_ = false;
};

absl::StatusOr<Page> ById(const Call& call, const Filter& filter, const std::string& place,
                          std::size_t most) {
  Page page;
  // The place is the last id of the page before.
  auto id = place.empty() ? filter.ids().begin() : filter.ids().upper_bound(place);
  for (; id != filter.ids().end(); ++id) {
    const absl::StatusOr<pb::SourceServer> server = GetServer(call, *id);
    if (absl::IsNotFound(server.status())) continue;
    if (!server.ok()) return server.status();
    if (!filter.Takes(*server)) continue;
    page.servers.push_back(*server);
    if (page.servers.size() == most) {
      if (std::next(id) != filter.ids().end()) page.next = *id;
      return page;
    }
  }
  return page;
}

absl::StatusOr<Page> ByList(const Call& call, const Filter& filter, const std::string& place,
                            std::size_t most) {
  Page page{.next = place};
  const auto stub = pb::SourceServerService::NewStub(call.services().registry);
  for (int i = 0; i < kMostPages; ++i) {
    pb::ListSourceServersRequest request;
    filter.Narrow(request);
    request.set_page_token(page.next);
    request.set_page_size(
        static_cast<int>(std::min<std::size_t>(kMostOfRegistry, most - page.servers.size())));
    absl::StatusOr<pb::ListSourceServersResponse> answer =
        call.Ask(stub, &pb::SourceServerService::Stub::ListSourceServers, request);
    // Applications that are gone have no servers.
    if (absl::IsNotFound(answer.status())) return Page();
    if (!answer.ok()) return answer.status();
    page.next = answer->next_page_token();
    for (pb::SourceServer& server : *answer->mutable_source_servers()) {
      if (filter.Takes(server)) page.servers.push_back(std::move(server));
    }
    if (page.next.empty() || page.servers.size() >= most) break;
  }
  return page;
}

using Replications = std::map<std::string, replication_pb::Replication>;

// By the servers' names; those that the coordinator does not know are left out.
absl::StatusOr<Replications> ReplicationsOf(const Call& call,
                                            const std::vector<pb::SourceServer>& servers) {
  Replications found;
  const auto stub = replication_pb::ReplicationService::NewStub(call.services().replication);
  const auto keep = [&found](replication_pb::Replication& replication) {
    const std::string name = replication.name();
    found[name.substr(0, name.rfind('/'))] = std::move(replication);
  };
  if (servers.size() <= kFewServers) {
    for (const pb::SourceServer& server : servers) {
      replication_pb::GetReplicationRequest request;
      request.set_name(absl::StrCat(server.name(), "/replication"));
      auto replication =
          call.Ask(stub, &replication_pb::ReplicationService::Stub::GetReplication, request);
      if (replication.ok()) {
        keep(*replication);
      } else if (!absl::IsNotFound(replication.status())) {
        return replication.status();
      }
    }
    return found;
  }
  replication_pb::ListReplicationsRequest request;
  request.set_page_size(500);
  do {
    ASSIGN_OR_RETURN(
        replication_pb::ListReplicationsResponse answer,
        call.Ask(stub, &replication_pb::ReplicationService::Stub::ListReplications, request));
    for (replication_pb::Replication& replication : *answer.mutable_replications()) {
      keep(replication);
    }
    request.set_page_token(answer.next_page_token());
  } while (!request.page_token().empty());
  return found;
}

}  // namespace

absl::StatusOr<json> DescribeSourceServers(const Call& call, const json& input) {
  const json filters = input.value("filters", json::object());
  const std::string filter_text = filters.dump();
  ASSIGN_OR_RETURN(const std::string place, ParsePageToken(call.operation().name, filter_text,
                                                           input.value("nextToken", "")));
  const Filter filter(filters);
  if (filter.nothing()) return json{{"items", json::array()}};
  const std::size_t most = input.value("maxResults", kDefaultPage);
  ASSIGN_OR_RETURN(const Page page, filter.ids().empty() ? ByList(call, filter, place, most)
                                                         : ById(call, filter, place, most));
  ASSIGN_OR_RETURN(const Replications replications, ReplicationsOf(call, page.servers));
  json items = json::array();
  for (const pb::SourceServer& server : page.servers) {
    const auto found = replications.find(server.name());
    items.push_back(SourceServerJson(server, found == replications.end() ? nullptr : &found->second,
                                     call.place()));
  }
  json out = {{"items", items}};
  const std::string next = PageToken(call.operation().name, filter_text, page.next);
  if (!next.empty()) out["nextToken"] = next;
  return out;
}

}  // namespace godwit::gateway::mgn
