#include "services/registry/rpc/watch.h"

#include <grpcpp/impl/codegen/server_context.h>

#include <deque>
#include <map>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
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

  void Offer(const SourceServer& server) override {
    absl::MutexLock lock(&mutex_);
    std::int64_t& seen = seen_[server.id];
    if (finished_ || server.version <= seen) return;
    seen = server.version;
    const auto [waiting, is_new] = waiting_.insert_or_assign(server.id, server);
    if (is_new) order_.push_back(server.id);
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
    return hub.Add(self_);
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || order_.empty()) return;
    const auto next = waiting_.find(order_.front());
    order_.pop_front();
    const absl::StatusOr<pb::SourceServer> message = ToProto(next->second);
    waiting_.erase(next);
    if (!message.ok()) {
      FinishOnce(message.status());
      return;
    }
    message_ = *message;
    writing_ = true;
    StartWrite(&message_);
  }

  void FinishOnce(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(rpc::ToGrpc(status));
  }

  std::shared_ptr<Stream> self_;
  std::vector<std::string> wanted_;
  std::string principal_;
  mutable absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::int64_t> seen_ ABSL_GUARDED_BY(mutex_);  // latest version offered
  std::map<std::string, SourceServer> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);  // ids in waiting_
  pb::SourceServer message_;                               // being written
};

}  // namespace

grpc::ServerWriteReactor<pb::SourceServer>* StartWatch(
    grpc::CallbackServerContext& context, WatchHub& hub,
    const pb::WatchSourceServersRequest& request) {
  return Stream::Make(context, hub, request);
}

}  // namespace godwit::registry
