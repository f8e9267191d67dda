#include "services/registry/rpc/watch.h"

#include <grpcpp/impl/codegen/server_context.h>

#include <list>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/scope_source.h"

namespace godwit::registry {
namespace {

constexpr int kMaxNames = 1000;

class Stream final : public grpc::ServerWriteReactor<pb::SourceServer>, public Watcher {
 public:
  static Stream* Make(grpc::CallbackServerContext& context, WatchHub& hub,
                      const pb::WatchSourceServersRequest& request) {
    auto stream = std::make_shared<Stream>();
    stream->self_ = stream;
    const absl::Status status = stream->Begin(context, hub, request);
    if (!status.ok()) stream->End(status);
    return stream.get();
  }

  const std::vector<std::string>& wanted() const override { return wanted_; }
  const std::string& principal() const override { return principal_; }
  const std::optional<EventToken>& since() const override { return since_; }

  void Begin(const std::string& stream) override {
    absl::MutexLock lock(&mutex_);
    stream_ = stream;
  }

  void Offer(const storage::ServerChange& change, std::optional<std::uint64_t> told) override {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    // At its newest place, so that all that waits comes after what was sent.
    if (const auto known = waiting_.find(change.id); known != waiting_.end()) {
      order_.erase(known->second);
      waiting_.erase(known);
    }
    if (!change.server && !show_deleted_) return;
    waiting_[change.id] = order_.insert(order_.end(), {.change = change, .told = told});
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
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      FinishOnce(absl::CancelledError("the reader went away"));
    } else {
      WriteNext();
    }
  }
  void OnCancel() override { End(absl::CancelledError("the reader went away")); }
  void OnDone() override {
    const std::shared_ptr<Stream> last = std::move(self_);  // the hub may hold it a little longer
  }

 private:
  absl::Status Begin(grpc::CallbackServerContext& context, WatchHub& hub,
                     const pb::WatchSourceServersRequest& request) {
    ASSIGN_OR_RETURN(const rpc::Call call,
                     rpc::Admit(context, "SourceServerService.WatchSourceServers", rpc::kReaders));
    principal_ = WhoCanBeScoped(call.peer);
    RETURN_IF_ERROR(CheckCount("names", request.names_size(), kMaxNames));
    for (int i = 0; i < request.names_size(); ++i) {
      ASSIGN_OR_RETURN(std::string id, ServerId(absl::StrCat("names[", i, "]"), request.names(i)));
      wanted_.push_back(std::move(id));
    }
    if (!request.since().empty()) {
      ASSIGN_OR_RETURN(since_, SinceOf(request.since()));
    }
    show_deleted_ = request.show_deleted();
    return hub.Add(self_);
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || order_.empty()) return;
    const absl::Status made = SetMessage(order_.front());
    waiting_.erase(order_.front().change.id);
    order_.pop_front();
    if (!made.ok()) {
      FinishOnce(made);
      return;
    }
    writing_ = true;
    StartWrite(&message_);
  }

  // With what its token says that the reader was told of, who has read it.
  struct Waiting {
    storage::ServerChange change;
    std::optional<std::uint64_t> told;
  };

  absl::Status SetMessage(const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const storage::ServerChange& change = waiting.change;
    message_.Clear();
    if (change.server) {
      ASSIGN_OR_RETURN(message_, ToProto(*change.server));
    } else {
      message_.set_name(absl::StrCat("sourceServers/", change.id));
      message_.set_deleted(true);
    }
    if (change.place > 0) {
      message_.set_watch_token(
          FormatEventToken({.stream = stream_, .sequence = change.place, .told = waiting.told}));
    }
    return absl::OkStatus();
  }

  void FinishOnce(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(rpc::ToGrpc(status));
  }

  std::shared_ptr<Stream> self_;
  // Set before the hub knows the stream.
  std::vector<std::string> wanted_;
  std::string principal_;
  std::optional<EventToken> since_;
  bool show_deleted_ = false;
  mutable absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::string stream_ ABSL_GUARDED_BY(mutex_);
  using Order = std::list<Waiting>;
  Order order_ ABSL_GUARDED_BY(mutex_);  // what waits, each server once
  std::map<std::string, Order::iterator> waiting_ ABSL_GUARDED_BY(mutex_);  // by id
  pb::SourceServer message_;                                                // being written
};

}  // namespace

grpc::ServerWriteReactor<pb::SourceServer>* StartWatch(
    grpc::CallbackServerContext& context, WatchHub& hub,
    const pb::WatchSourceServersRequest& request) {
  return Stream::Make(context, hub, request);
}

}  // namespace godwit::registry
