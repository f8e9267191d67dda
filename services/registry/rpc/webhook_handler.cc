#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/webhook_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/clients/webhook_sender.h"
#include "services/registry/rpc/access_keys.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/webhook_deliveries.h"
#include "services/registry/rpc/webhooks.h"

namespace godwit::registry {
namespace {

using Context = grpc::ServerContext;

class WebhookHandler final : public pb::WebhookService::Service {
 public:
  explicit WebhookHandler(Backend& backend) : backend_(backend) {}

  grpc::Status CreateWebhook(Context* context, const pb::CreateWebhookRequest* request,
                             pb::Webhook* response) override {
    std::string name;
    return ServeChange(context, backend_.mutator,
                       {.method = "WebhookService.CreateWebhook",
                        .resource = "webhooks/-",
                        .request_id = request->request_id(),
                        .request = request,
                        .made_resource = &name},
                       response,
                       {.check = [&]() -> absl::Status {
                          RETURN_IF_ERROR(CheckRequestId(request->request_id()));
                          return CheckWebhook(request->webhook(), backend_.webhooks.addresses());
                        },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          Webhook webhook{.id = NewId("wh-")};
                          RETURN_IF_ERROR(ApplyFields(request->webhook(), nullptr, webhook));
                          RETURN_IF_ERROR(GiveSecret(backend_.master_key_file, webhook));
                          ASSIGN_OR_RETURN(webhook, storage::InsertWebhook(connection, webhook));
                          ASSIGN_OR_RETURN(*response, ToProto(webhook, {}));
                          name = response->name();
                          return absl::OkStatus();
                        },
                        // Not part of the kept answer: the database has it only encrypted.
                        .after = [&](const rpc::Call&, bool) { return AddSecret(response); }});
  }

  grpc::Status GetWebhook(Context* context, const pb::GetWebhookRequest* request,
                          pb::Webhook* response) override {
    return rpc::Serve(context, "WebhookService.GetWebhook", [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const std::string id, WebhookId("name", request->name()));
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, Connect());
      ASSIGN_OR_RETURN(const Webhook webhook, storage::GetWebhook(*connection, id));
      return Show(*connection, webhook, response);
    });
  }

  grpc::Status ListWebhooks(Context* context, const pb::ListWebhooksRequest* request,
                            pb::ListWebhooksResponse* response) override {
    return rpc::Serve(
        context, "WebhookService.ListWebhooks", [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, Connect());
          ASSIGN_OR_RETURN(std::vector<Webhook> webhooks,
                           storage::ListWebhooks(*connection, after.time, after.id, size + 1));
          if (static_cast<int>(webhooks.size()) > size) {
            webhooks.pop_back();
            response->set_next_page_token(
                PageToken({webhooks.back().create_time, webhooks.back().id}));
          }
          for (const Webhook& webhook : webhooks) {
            RETURN_IF_ERROR(Show(*connection, webhook, response->add_webhooks()));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status UpdateWebhook(Context* context, const pb::UpdateWebhookRequest* request,
                             pb::Webhook* response) override {
    const pb::Webhook& wanted = request->webhook();
    const bool new_secret = Names(request->update_mask(), "secret");
    return ServeChange(
        context, backend_.mutator,
        {.method = "WebhookService.UpdateWebhook", .resource = wanted.name(), .request = request},
        response,
        {.check = [&] { return CheckUpdateWebhook(*request, backend_.webhooks.addresses()); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, WebhookId("webhook.name", wanted.name()));
           ASSIGN_OR_RETURN(Webhook webhook, storage::LockWebhook(connection, id));
           RETURN_IF_ERROR(CheckEtag(wanted.etag(), webhook.version));
           const bool was_disabled = webhook.disabled;
           RETURN_IF_ERROR(ApplyFields(wanted, &request->update_mask(), webhook));
           if (new_secret) RETURN_IF_ERROR(GiveSecret(backend_.master_key_file, webhook));
           ASSIGN_OR_RETURN(webhook, storage::SaveWebhook(connection, webhook,
                                                          was_disabled && !webhook.disabled));
           return Show(connection, webhook, response);
         },
         .after = [&](const rpc::Call&,
                      bool) { return new_secret ? AddSecret(response) : absl::OkStatus(); }});
  }

  grpc::Status DeleteWebhook(Context* context, const pb::DeleteWebhookRequest* request,
                             pb::DeleteWebhookResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "WebhookService.DeleteWebhook", .resource = request->name(), .request = request},
        response,
        {.check = [&] { return WebhookId("name", request->name()).status(); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, WebhookId("name", request->name()));
           return storage::DeleteWebhook(connection, id);
         }});
  }

  grpc::Status TestWebhook(Context* context, const pb::TestWebhookRequest* request,
                           pb::TestWebhookResponse* response) override {
    Webhook webhook;
    return ServeChange(
        context, backend_.mutator,
        {.method = "WebhookService.TestWebhook", .resource = request->name(), .request = request},
        response,
        {.check = [&] { return WebhookId("name", request->name()).status(); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, WebhookId("name", request->name()));
           ASSIGN_OR_RETURN(webhook, storage::GetWebhook(connection, id));
           return absl::OkStatus();
         },
         .after =
             [&](const rpc::Call& call, bool) {
               return SendTest(backend_.webhooks, webhook, call.peer.Principal(),
                               backend_.clock.Now(), response);
             }});
  }

  grpc::Status ListWebhookDeliveries(Context* context,
                                     const pb::ListWebhookDeliveriesRequest* request,
                                     pb::ListWebhookDeliveriesResponse* response) override {
    return rpc::Serve(context, "WebhookService.ListWebhookDeliveries",
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(pg::Pool::Lease connection, Connect());
                        return ListDeliveries(*connection, *request, response);
                      });
  }

  grpc::Status ResumeWebhookDeliveries(Context* context,
                                       const pb::ResumeWebhookDeliveriesRequest* request,
                                       pb::ResumeWebhookDeliveriesResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "WebhookService.ResumeWebhookDeliveries",
         .resource = request->name(),
         .request = request},
        response,
        {.check = [&] { return CheckResume(*request); },
         .apply = [&](pg::Connection& connection,
                      const rpc::Call&) { return Resume(connection, *request, response); }});
  }

 private:
  absl::StatusOr<pg::Pool::Lease> Connect() { return backend_.mutator.pool().Acquire(); }

  static absl::Status Show(pg::Connection& connection, const Webhook& webhook, pb::Webhook* out) {
    ASSIGN_OR_RETURN(const storage::WebhookLoad load,
                     storage::LoadOfWebhooks(connection, webhook.id));
    ASSIGN_OR_RETURN(*out, ToProto(webhook, load));
    return absl::OkStatus();
  }

  absl::Status AddSecret(pb::Webhook* response) {
    ASSIGN_OR_RETURN(const std::string id, WebhookId("name", response->name()));
    ASSIGN_OR_RETURN(const crypt::MasterKeys masters, LoadMasterKeys(backend_.master_key_file));
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, Connect());
    ASSIGN_OR_RETURN(const Webhook webhook, storage::GetWebhook(*connection, id));
    ASSIGN_OR_RETURN(const crypt::Secret secret, UnwrapWebhookSecret(masters, webhook));
    response->set_secret(FormatWebhookSecret(secret).bytes());
    return absl::OkStatus();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWebhookHandler(Backend& backend) {
  return std::make_unique<WebhookHandler>(backend);
}

}  // namespace godwit::registry
