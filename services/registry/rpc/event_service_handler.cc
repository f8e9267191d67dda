#include <grpcpp/impl/codegen/server_context.h>

#include "godwit/registry/v1/event_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/event_stream.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/scope_sight.h"

namespace godwit::registry {
namespace {

constexpr int kScan = 500;      // events a look at the database
constexpr int kMostScans = 20;  // looks a call, when few pass the filter

// Watching is a callback reactor: streams are many and mostly idle.
using Base = pb::EventService::WithCallbackMethod_WatchEvents<pb::EventService::Service>;

class EventServiceHandler final : public Base {
 public:
  explicit EventServiceHandler(Backend& backend) : backend_(backend) {}

  grpc::ServerWriteReactor<pb::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const pb::WatchEventsRequest* request) override {
    return StartEventStream(*context, backend_.event_hub, *request);
  }

  grpc::Status ListEvents(grpc::ServerContext* context, const pb::ListEventsRequest* request,
                          pb::ListEventsResponse* response) override {
    return rpc::Serve(context, "EventService.ListEvents", rpc::kReaders,
                      [&](const rpc::Call& call) { return List(call, *request, response); });
  }

 private:
  absl::Status List(const rpc::Call& call, const pb::ListEventsRequest& request,
                    pb::ListEventsResponse* response) {
    ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
    ASSIGN_OR_RETURN(const EventFilter filter, FilterOf("filter", request.filter()));
    EventToken place;
    if (!request.since().empty()) {
      ASSIGN_OR_RETURN(place, SinceOf(request.since()));
    }
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
    for (int scan = 0; scan < kMostScans; ++scan) {
      ASSIGN_OR_RETURN(const storage::EventPage page,
                       storage::ReadEvents(*connection, place.sequence, kScan));
      const bool at_the_oldest = scan == 0 && request.since().empty();
      if (at_the_oldest) place.stream = page.look.stream;
      if (!at_the_oldest) RETURN_IF_ERROR(CheckSince(place, page.look));
      ASSIGN_OR_RETURN(const std::vector<bool> seen,
                       SeenEvents(*connection, call.scoped_principal(), page.events));
      for (std::size_t i = 0; i < page.events.size(); ++i) {
        const EventRecord& event = *page.events[i];
        const bool passes = seen[i] && filter.Passes(event);
        if (passes && response->events_size() == size) {
          response->set_more(true);
          break;
        }
        place.sequence = event.sequence;
        if (passes) *response->add_events() = ToProto(event, place.stream);
      }
      if (page.events.empty()) place.sequence = page.look.head;
      if (response->more() || place.sequence >= page.look.head) {
        response->set_next_token(FormatEventToken(place));
        return absl::OkStatus();
      }
    }
    response->set_more(true);
    response->set_next_token(FormatEventToken(place));
    return absl::OkStatus();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeEventServiceHandler(Backend& backend) {
  return std::make_unique<EventServiceHandler>(backend);
}

}  // namespace godwit::registry
