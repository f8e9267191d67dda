#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/commands/server_wait.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/replication_view.h"
#include "cli/views/server_view.h"
#include "cli/views/settings_view.h"
#include "cli/watch.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::SourceServer;
using registry::v1::SourceServerService;

absl::StatusOr<SourceServer> GetServer(Context& context, const std::string& name) {
  registry::v1::GetSourceServerRequest request;
  request.set_name(name);
  return Call(context, &SourceServerService::Stub::GetSourceServer, request);
}

absl::Status PrintServerLine(Context& context, const SourceServer& server) {
  if (context.json()) return PrintJson(context, server);
  context.out() << ServerLine(server) << std::endl;
  return absl::OkStatus();
}

Command List() {
  struct Given {
    std::vector<std::string> states;
    bool archived = false;
    std::string application;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "servers list",
      .purpose = "one line a server",
      .options =
          [given](Options& options) {
            options.Strings("state", &given->states, "STATE", "only servers in this state");
            options.Bool("archived", &given->archived, "archived servers too");
            options.String("application", &given->application, "APP",
                           "only servers of this application");
          },
      .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
        registry::v1::ListSourceServersRequest request;
        request.set_show_archived(given->archived);
        for (const std::string& state : given->states) {
          ASSIGN_OR_RETURN(const int value,
                           ParseEnum("state", SourceServer::LifecycleState_descriptor(), state));
          request.add_lifecycle_states(static_cast<SourceServer::LifecycleState>(value));
        }
        if (!given->application.empty()) {
          ASSIGN_OR_RETURN(*request.mutable_application(),
                           SimpleName("--application", "applications", "app-", given->application));
        }
        ASSIGN_OR_RETURN(
            const auto list,
            CallAllPages(context, &SourceServerService::Stub::ListSourceServers, request));
        if (context.json()) return PrintJson(context, list);
        PrintServers(list, context.out());
        return absl::OkStatus();
      }};
}

// The coordinator's view; nullptr when it is not known or knows nothing of the server.
absl::StatusOr<std::unique_ptr<replication::v1::Replication>> GetReplication(
    Context& context, const std::string& server) {
  if (!context.Knows("replication")) return nullptr;
  replication::v1::GetReplicationRequest request;
  request.set_name(absl::StrCat(server, "/replication"));
  const auto answer =
      Call(context, &replication::v1::ReplicationService::Stub::GetReplication, request);
  if (absl::IsNotFound(answer.status())) return nullptr;
  RETURN_IF_ERROR(answer);
  return std::make_unique<replication::v1::Replication>(*answer);
}

Command Get() {
  return {.words = "servers get",
          .arguments = "SERVER",
          .purpose = "everything of one server",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string name, ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(const SourceServer server, GetServer(context, name));
            const auto found = GetReplication(context, name);
            const replication::v1::Replication* replication = found.ok() ? found->get() : nullptr;
            if (!found.ok()) {
              context.err() << "warning: no replication state: " << Plain(found.status().message())
                            << std::endl;
            }
            if (context.json()) {
              ASSIGN_OR_RETURN(std::string text, ToJson(server, true));
              text = absl::StrCat("{\"sourceServer\": ", text);
              if (replication != nullptr) {
                ASSIGN_OR_RETURN(const std::string more, ToJson(*replication, true));
                absl::StrAppend(&text, ", \"replication\": ", more);
              }
              context.out() << text << "}" << std::endl;
              return absl::OkStatus();
            }
            PrintServer(server, context.out());
            if (replication != nullptr) {
              context.out() << "\n";
              PrintReplication(*replication, context.clock().Now(), context.out());
              registry::v1::GetSettingsRequest settings;
              settings.set_name(name);
              const auto kept =
                  Call(context, &SourceServerService::Stub::GetReplicationSettings, settings);
              if (kept.ok())
                context.out() << "\nPoints kept: " << RetentionText(*kept) << std::endl;
            }
            return absl::OkStatus();
          }};
}

Command History() {
  return {.words = "servers history",
          .arguments = "SERVER",
          .purpose = "every change of state: when, what, who",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::ListServerHistoryRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const auto history,
                CallAllPages(context, &SourceServerService::Stub::ListServerHistory, request));
            if (context.json()) return PrintJson(context, history);
            PrintHistory(history, context.out());
            return absl::OkStatus();
          }};
}

Command Create() {
  auto tags = std::make_shared<std::vector<std::string>>();
  return {
      .words = "servers create",
      .arguments = "ID",
      .purpose = "an imported server that an agent with this user-provided id joins",
      .least = 1,
      .most = 1,
      .options = [tags](Options& options) { options.Strings("tag", tags.get(), "K=V", "a tag"); },
      .run = [tags](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        registry::v1::CreateSourceServerRequest request;
        request.set_request_id(NewUuid());
        request.set_user_provided_id(arguments[0]);
        ASSIGN_OR_RETURN(const auto entries, KeyValues("--tag", *tags));
        request.mutable_tags()->insert(entries.begin(), entries.end());
        ASSIGN_OR_RETURN(const SourceServer server,
                         Call(context, &SourceServerService::Stub::CreateSourceServer, request));
        return PrintServerLine(context, server);
      }};
}

Command Tag() {
  return {.words = "servers tag",
          .arguments = "SERVER KEY=VALUE... KEY-...",
          .purpose = "sets tags; KEY- removes one",
          .least = 2,
          .most = kAnyNumber,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string name, ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(const SourceServer server, GetServer(context, name));
            registry::v1::UpdateSourceServerRequest request;
            request.mutable_source_server()->set_name(name);
            request.mutable_source_server()->set_etag(server.etag());
            *request.mutable_source_server()->mutable_tags() = server.tags();
            RETURN_IF_ERROR(ChangeTags({arguments.begin() + 1, arguments.end()},
                                       request.mutable_source_server()->mutable_tags()));
            request.mutable_update_mask()->add_paths("tags");
            ASSIGN_OR_RETURN(
                const SourceServer changed,
                Call(context, &SourceServerService::Stub::UpdateSourceServer, request));
            if (context.json()) return PrintJson(context, changed);
            context.out() << ServerLine(changed) << "\ntags: "
                          << (changed.tags().empty() ? "none" : Plain(Tags(changed.tags())))
                          << std::endl;
            return absl::OkStatus();
          }};
}

Command Delete() {
  return {.words = "servers delete",
          .arguments = "SERVER",
          .purpose = "removes a server that is disconnected, cut over or pending installation",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteSourceServerRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const auto answer,
                Call(context, &SourceServerService::Stub::DeleteSourceServer, request));
            if (context.json()) return PrintJson(context, answer);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

Command WatchServers() {
  return {.words = "servers watch",
          .arguments = "[SERVER...]",
          .purpose = "a line for every change, until interrupted",
          .most = kAnyNumber,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::WatchSourceServersRequest request;
            ASSIGN_OR_RETURN(const std::vector<std::string> names, ServerNames(context, arguments));
            request.mutable_names()->Assign(names.begin(), names.end());
            request.set_show_deleted(true);
            absl::Status printed;
            const absl::Status watched = WatchStates(
                context, &SourceServerService::Stub::WatchSourceServers, request,
                absl::InfiniteDuration(), &SourceServer::watch_token,
                std::function<bool(const SourceServer&)>([&](const SourceServer& server) {
                  if (context.json()) {
                    printed = PrintJson(context, server, true);
                  } else {
                    context.out() << absl::FormatTime("%H:%M:%SZ  ", context.clock().Now(),
                                                      absl::UTCTimeZone())
                                  << (server.deleted()
                                          ? absl::StrCat(ShortName(server.name()), " deleted")
                                          : ServerLine(server))
                                  << std::endl;
                  }
                  return printed.ok() && context.out().good();
                }));
            return printed.ok() ? watched : printed;
          }};
}

Command RevokeIdentity() {
  return {.words = "servers revoke-identity",
          .arguments = "SERVER",
          .purpose = "the agent's certificate is refused from now on",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::RevokeServerIdentityRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const SourceServer server,
                Call(context, &registry::v1::TokenService::Stub::RevokeServerIdentity, request));
            if (context.json()) return PrintJson(context, server);
            context.out() << ShortName(server.name()) << ": the identity of its agent is revoked"
                          << std::endl;
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> ServerCommands() {
  return {List(),   Get(),          History(),    Create(),        Tag(),
          Delete(), WatchServers(), ServerWait(), RevokeIdentity()};
}

}  // namespace godwit::cli
