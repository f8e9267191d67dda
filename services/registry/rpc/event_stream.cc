#include "services/registry/rpc/event_stream.h"

#include <grpcpp/impl/codegen/server_context.h>

#include <algorithm>
#include <deque>

#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/scope_source.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMostWaiting = 64;  // events in memory for one stream
constexpr absl::Duration kHeartbeat = absl::Seconds(15);

class EventStream final : public grpc::ServerWriteReactor<pb::WatchEventsResponse>,
                          public EventReader {
 public:
  explicit EventStream(EventHub& hub) : hub_(hub) {}

  // Must be called once, before anything else; keeps the stream alive until it is done.
  void Open(std::shared_ptr<EventStream> self, grpc::CallbackServerContext& context,
            const pb::WatchEventsRequest& request) {
    self_ = std::move(self);
    absl::Status opened = Read(context, request);
    if (opened.ok()) opened = hub_.Add(self_);
    if (!opened.ok()) End(opened);
  }

  const std::optional<EventToken>& since() const override { return since_; }
  const std::string& principal() const override { return principal_; }

  void Begin(const EventToken& place) override {
    absl::MutexLock lock(&mutex_);
    place_ = place;
    tell_place_ = true;
    WriteNext();
  }
  std::size_t room() const override {
    absl::MutexLock lock(&mutex_);
    return kMostWaiting - waiting_.size();
  }
  void Take(const std::vector<std::shared_ptr<const EventRecord>>& events,
            const std::vector<bool>& seen) override {
    absl::MutexLock lock(&mutex_);
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (seen[i] && filter_.Passes(*events[i])) waiting_.push_back(events[i]);
    }
    taken_ = events.back()->sequence;
    WriteNext();
  }
  void Tick() override {
    absl::MutexLock lock(&mutex_);
    if (RealClock().Monotonic() - last_write_ < heartbeat_) return;
    tell_place_ = true;
    WriteNext();
  }
  void End(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    FinishOnce(status);
  }
  bool ended() const override {
    absl::MutexLock lock(&mutex_);
    return finished_;
  }

  void OnWriteDone(bool ok) override {
    bool has_room = false;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (ok) {
        WriteNext();
      } else {
        FinishOnce(absl::CancelledError("the reader went away"));
      }
      has_room = waiting_.size() == kMostWaiting / 2;
    }
    if (has_room) hub_.WakeUp();
  }
  void OnCancel() override { End(absl::CancelledError("the reader went away")); }
  void OnDone() override { const auto last = std::move(self_); }

 private:
  absl::Status Read(grpc::CallbackServerContext& context, const pb::WatchEventsRequest& request) {
    ASSIGN_OR_RETURN(const rpc::Call call,
                     rpc::Admit(context, "EventService.WatchEvents", rpc::kReaders));
    principal_ = WhoCanBeScoped(call.peer);
    if (!request.since().empty()) {
      ASSIGN_OR_RETURN(since_, SinceOf(request.since()));
    }
    ASSIGN_OR_RETURN(filter_, FilterOf("filter", request.filter()));
    RETURN_IF_ERROR(CheckDuration("heartbeat_interval", request.has_heartbeat_interval(),
                                  request.heartbeat_interval(), absl::Seconds(1),
                                  absl::Seconds(300)));
    if (request.has_heartbeat_interval()) heartbeat_ = DurationOf(request.heartbeat_interval());
    return absl::OkStatus();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    message_.Clear();
    if (tell_place_) {
      // Before the events that wait, so it names the place before them.
      if (waiting_.empty()) place_.sequence = std::max(place_.sequence, taken_);
      tell_place_ = false;
    } else if (!waiting_.empty()) {
      *message_.mutable_event() = ToProto(*waiting_.front(), place_.stream);
      place_.sequence = waiting_.front()->sequence;
      waiting_.pop_front();
    } else {
      return;
    }
    message_.set_token(FormatEventToken(place_));
    last_write_ = RealClock().Monotonic();
    writing_ = true;
    StartWrite(&message_);
  }

  void FinishOnce(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!finished_) Finish(rpc::ToGrpc(status));
    finished_ = true;
  }

  EventHub& hub_;
  std::shared_ptr<EventStream> self_;
  // Set before the hub knows the stream.
  std::optional<EventToken> since_;
  EventFilter filter_;
  std::string principal_;
  absl::Duration heartbeat_ = kHeartbeat;

  mutable absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool tell_place_ ABSL_GUARDED_BY(mutex_) = false;
  EventToken place_ ABSL_GUARDED_BY(mutex_);        // what the next token says
  std::int64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;  // the last event that the hub gave
  absl::Duration last_write_ ABSL_GUARDED_BY(mutex_) = RealClock().Monotonic();
  std::deque<std::shared_ptr<const EventRecord>> waiting_ ABSL_GUARDED_BY(mutex_);
  pb::WatchEventsResponse message_;  // being written
};

}  // namespace

grpc::ServerWriteReactor<pb::WatchEventsResponse>* StartEventStream(
    grpc::CallbackServerContext& context, EventHub& hub, const pb::WatchEventsRequest& request) {
  const auto stream = std::make_shared<EventStream>(hub);
  stream->Open(stream, context, request);
  return stream.get();
}

}  // namespace godwit::registry
