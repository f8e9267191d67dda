// webhooks.
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/event_filter.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/webhook_view.h"
#include "godwit/registry/v1/webhook_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::Webhook;
using registry::v1::WebhookDelivery;
using registry::v1::WebhookService;
using Stub = WebhookService::Stub;

constexpr std::size_t kMostCa = 64 * 1024;

absl::StatusOr<std::string> NameOf(const std::string& text) {
  return SimpleName("WEBHOOK", "webhooks", "wh-", text);
}

absl::Status Show(Context& context, const Webhook& webhook) {
  if (context.json()) return PrintJson(context, webhook);
  PrintWebhook(webhook, context.out());
  return absl::OkStatus();
}

// What create and update share.
struct Given {
  std::string url, description, ca;
  EventFilterOptions filter;
  bool enable = false, disable = false, new_secret = false, all = false;

  void AddTo(Options& options) {
    filter.AddTo(options);
    options.String("description", &description, "TEXT", "for people");
    options.String("ca", &ca, "FILE",
                   "PEM certificates to verify the receiver by (none: again by "
                   "those of the registry's system)");
  }
  absl::StatusOr<std::string> Ca() const {
    if (ca.empty() || ca == "none") return std::string();
    absl::StatusOr<std::string> pem = ReadFile(ca, kMostCa);
    if (!pem.ok())
      return absl::InvalidArgumentError(absl::StrCat("--ca: ", pem.status().message()));
    return pem;
  }
};

Command Create() {
  auto given = std::make_shared<Given>();
  return {
      .words = "webhooks create",
      .arguments = "URL",
      .purpose = "events from now on are sent there; prints the secret, once",
      .least = 1,
      .most = 1,
      .options = [given](Options& options) { given->AddTo(options); },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        registry::v1::CreateWebhookRequest request;
        request.set_request_id(NewUuid());
        Webhook& wanted = *request.mutable_webhook();
        wanted.set_url(arguments[0]);
        wanted.set_description(given->description);
        ASSIGN_OR_RETURN(*wanted.mutable_ca_pem(), given->Ca());
        ASSIGN_OR_RETURN(*wanted.mutable_filter(), given->filter.Filter(context));
        ASSIGN_OR_RETURN(const Webhook webhook, Call(context, &Stub::CreateWebhook, request));
        return Show(context, webhook);
      }};
}

Command List() {
  return {.words = "webhooks list",
          .purpose = "all webhooks, and what waits for them",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list, CallAllPages(context, &Stub::ListWebhooks,
                                                           registry::v1::ListWebhooksRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintWebhooks(list, context.out());
            return absl::OkStatus();
          }};
}

Command Get() {
  return {.words = "webhooks get",
          .arguments = "WEBHOOK",
          .purpose = "one webhook",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::GetWebhookRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), NameOf(arguments[0]));
            ASSIGN_OR_RETURN(const Webhook webhook, Call(context, &Stub::GetWebhook, request));
            return Show(context, webhook);
          }};
}

absl::StatusOr<registry::v1::UpdateWebhookRequest> UpdateOf(Context& context,
                                                            const Options& options,
                                                            const Given& given,
                                                            const std::string& name) {
  registry::v1::UpdateWebhookRequest request;
  Webhook& wanted = *request.mutable_webhook();
  ASSIGN_OR_RETURN(*wanted.mutable_name(), NameOf(name));
  const auto set = [&request](const char* path) { request.mutable_update_mask()->add_paths(path); };
  if (given.enable && given.disable) {
    return absl::InvalidArgumentError("--enable: --disable is given, too");
  }
  if (given.enable || given.disable) {
    wanted.set_disabled(given.disable);
    set("disabled");
  }
  if (options.Given("url")) {
    wanted.set_url(given.url);
    set("url");
  }
  if (options.Given("description")) {
    wanted.set_description(given.description);
    set("description");
  }
  if (options.Given("ca")) {
    ASSIGN_OR_RETURN(*wanted.mutable_ca_pem(), given.Ca());
    set("ca_pem");
  }
  if (given.filter.Given(options) || given.all) {
    ASSIGN_OR_RETURN(*wanted.mutable_filter(), given.filter.Filter(context));
    set("filter");
  }
  if (given.new_secret) set("secret");
  if (request.update_mask().paths().empty()) {
    return absl::InvalidArgumentError("nothing to change was given: see --help");
  }
  return request;
}

Command Update() {
  auto given = std::make_shared<Given>();
  return {.words = "webhooks update",
          .arguments = "WEBHOOK",
          .purpose =
              "changes what is given; the options that choose events replace all of those "
              "there were",
          .least = 1,
          .most = 1,
          .options =
              [given](Options& options) {
                options.String("url", &given->url, "URL", "where to");
                given->AddTo(options);
                options.Bool("all", &given->all, "all events again");
                options.Bool("disable", &given->disable,
                             "nothing is sent; what happens meanwhile "
                             "is not sent later");
                options.Bool("enable", &given->enable, "events from now on are sent");
                options.Bool("new-secret", &given->new_secret, "prints it, once");
              },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const auto request, UpdateOf(context, options, *given, arguments[0]));
            ASSIGN_OR_RETURN(const Webhook webhook, Call(context, &Stub::UpdateWebhook, request));
            return Show(context, webhook);
          }};
}

Command Delete() {
  return {.words = "webhooks delete",
          .arguments = "WEBHOOK",
          .purpose = "also forgets what has not been delivered",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteWebhookRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), NameOf(arguments[0]));
            ASSIGN_OR_RETURN(const auto gone, Call(context, &Stub::DeleteWebhook, request));
            if (context.json()) return PrintJson(context, gone);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

Command Test() {
  return {.words = "webhooks test",
          .arguments = "WEBHOOK",
          .purpose = "sends a test event now; ends with 1 when the receiver does not take it",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::TestWebhookRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), NameOf(arguments[0]));
            ASSIGN_OR_RETURN(const auto answer, Call(context, &Stub::TestWebhook, request));
            if (context.json()) {
              RETURN_IF_ERROR(PrintJson(context, answer));
            } else if (answer.error().empty()) {
              context.out() << "taken: HTTP " << answer.http_status() << " after "
                            << Span(answer.took()) << std::endl;
            }
            return answer.error().empty() ? absl::OkStatus() : OperationFailed(answer.error());
          }};
}

Command Deliveries() {
  auto state = std::make_shared<std::string>();
  return {.words = "webhooks deliveries",
          .arguments = "WEBHOOK",
          .purpose = "events on their way, and those that arrived lately; oldest first",
          .least = 1,
          .most = 1,
          .options =
              [state](Options& options) {
                options.String("state", state.get(), "waiting|delivered|parked|dropped",
                               "only these");
              },
          .run = [state](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::ListWebhookDeliveriesRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), NameOf(arguments[0]));
            if (options.Given("state")) {
              ASSIGN_OR_RETURN(const int wanted,
                               ParseEnum("state", WebhookDelivery::State_descriptor(), *state));
              request.set_state(static_cast<WebhookDelivery::State>(wanted));
            }
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &Stub::ListWebhookDeliveries, request));
            if (context.json()) return PrintJson(context, list);
            PrintDeliveries(list, context.out());
            return absl::OkStatus();
          }};
}

Command Resume() {
  struct Chosen {
    std::string resource;
    bool drop = false;
  };
  auto chosen = std::make_shared<Chosen>();
  return {.words = "webhooks resume",
          .arguments = "WEBHOOK",
          .purpose = "tries parked deliveries again; those behind them follow",
          .least = 1,
          .most = 1,
          .options =
              [chosen](Options& options) {
                options.String("resource", &chosen->resource, "NAME",
                               "only of this one, for example sourceServers/s-...");
                options.Bool("drop", &chosen->drop, "gives the parked ones up instead");
              },
          .run = [chosen](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            registry::v1::ResumeWebhookDeliveriesRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), NameOf(arguments[0]));
            request.set_resource(chosen->resource);
            request.set_drop(chosen->drop);
            ASSIGN_OR_RETURN(const auto answer,
                             Call(context, &Stub::ResumeWebhookDeliveries, request));
            if (context.json()) return PrintJson(context, answer);
            context.out() << answer.count()
                          << (chosen->drop ? " parked deliveries given up"
                                           : " parked deliveries are tried again")
                          << std::endl;
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> WebhookCommands() {
  return {Create(), List(), Get(), Update(), Delete(), Test(), Deliveries(), Resume()};
}

}  // namespace godwit::cli
