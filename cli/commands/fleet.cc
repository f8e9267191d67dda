// tokens, workers, conversion.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/fleet_view.h"
#include "cli/views/replication_view.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using conversion::v1::ConversionService;
using registry::v1::Token;
using registry::v1::TokenService;
using replication::v1::ReplicationService;
using replication::v1::Worker;

Command CreateToken() {
  struct Given {
    absl::Duration lifetime = absl::Hours(24);
    std::int64_t max_uses = 1;
    std::string description;
    std::vector<std::string> tags;
    std::string both, replication, launch;  // templates
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "tokens create",
      .purpose = "prints the token, the CA pin and the command that installs an agent",
      .options =
          [given](Options& options) {
            options.Duration("lifetime", &given->lifetime, "until it expires");
            options.Int("max-uses", &given->max_uses, 1, 10000,
                        "how many agents may enrol with it [1]");
            options.String("description", &given->description, "TEXT", "for people");
            options.Strings("tag", &given->tags, "K=V", "tag for the servers that enrol with it");
            options.String("template", &given->both, "TEMPLATE",
                           "what new servers that enrol with it start with [default]");
            options.String("replication-template", &given->replication, "TEMPLATE",
                           "their replication settings alone");
            options.String("launch-template", &given->launch, "TEMPLATE",
                           "their launch settings alone");
          },
      .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
        registry::v1::CreateTokenRequest request;
        request.set_request_id(NewUuid());
        *request.mutable_lifetime() = FromDuration(given->lifetime);
        request.set_max_uses(static_cast<int>(given->max_uses));
        request.set_description(given->description);
        ASSIGN_OR_RETURN(const auto tags, KeyValues("--tag", given->tags));
        request.mutable_tags()->insert(tags.begin(), tags.end());
        const auto chosen = [&](const std::string& one) {
          return one.empty() && given->both.empty() ? std::string()
                                                    : TemplateName(one.empty() ? given->both : one);
        };
        request.set_replication_template(chosen(given->replication));
        request.set_launch_template(chosen(given->launch));
        ASSIGN_OR_RETURN(const Token token,
                         Call(context, &TokenService::Stub::CreateToken, request));
        if (context.json()) return PrintJson(context, token);
        PrintNewToken(token, context.enrollment(), context.out());
        return absl::OkStatus();
      }};
}

Command ListTokens() {
  return {.words = "tokens list",
          .purpose = "installation tokens",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list, CallAllPages(context, &TokenService::Stub::ListTokens,
                                                           registry::v1::ListTokensRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintTokens(list, context.clock().Now(), context.out());
            return absl::OkStatus();
          }};
}

Command RevokeToken() {
  return {.words = "tokens revoke",
          .arguments = "TOKEN",
          .purpose = "no agent enrols with it any more",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::RevokeTokenRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(),
                             SimpleName("TOKEN", "tokens", "t-", arguments[0]));
            ASSIGN_OR_RETURN(const Token token,
                             Call(context, &TokenService::Stub::RevokeToken, request));
            if (context.json()) return PrintJson(context, token);
            context.out() << ShortName(token.name()) << " revoked" << std::endl;
            return absl::OkStatus();
          }};
}

Command ListWorkers() {
  return {.words = "workers list",
          .purpose = "replication workers",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &ReplicationService::Stub::ListWorkers,
                                          replication::v1::ListWorkersRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintWorkers(list, context.clock().Now(), context.out());
            return absl::OkStatus();
          }};
}

using WorkerMethod = grpc::Status (ReplicationService::Stub::*)(
    grpc::ClientContext*, const replication::v1::WorkerVerbRequest&, Worker*);

Command WorkerVerb(std::string words, std::string purpose, WorkerMethod method) {
  return {.words = std::move(words),
          .arguments = "WORKER",
          .purpose = std::move(purpose),
          .least = 1,
          .most = 1,
          .run = [method](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            replication::v1::WorkerVerbRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(),
                             SimpleName("WORKER", "workers", "w-", arguments[0]));
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(const Worker worker, Call(context, method, request));
            if (context.json()) return PrintJson(context, worker);
            context.out() << ShortName(worker.name()) << ": " << EnumWord(worker.state()) << ", "
                          << worker.server_count() << " servers" << std::endl;
            return absl::OkStatus();
          }};
}

Command ListProfiles() {
  return {.words = "conversion profiles",
          .purpose = "target profiles",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list, Call(context, &ConversionService::Stub::ListProfiles,
                                                   conversion::v1::ListProfilesRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintProfiles(list, context.out());
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> FleetCommands() {
  using Stub = ReplicationService::Stub;
  return {CreateToken(),
          ListTokens(),
          RevokeToken(),
          ListWorkers(),
          WorkerVerb("workers drain", "no new servers; present ones move away", &Stub::DrainWorker),
          WorkerVerb("workers undrain", "takes servers again", &Stub::UndrainWorker),
          ListProfiles()};
}

}  // namespace godwit::cli
