#include "agent/uplink/lane.h"

#include <grpcpp/channel.h>

#include <utility>

#include "services/common/rpc/serve.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;

Lane::Lane(std::shared_ptr<grpc::Channel> channel, const pb::Open& open, Callbacks callbacks)
    : stub_(pb::BlockStream::NewStub(channel)), callbacks_(std::move(callbacks)) {
  stream_ = stub_->Replicate(&context_);
  receiver_ = std::thread([this] { ReceiveLoop(); });
  pb::AgentFrame frame;
  *frame.mutable_open() = open;
  stream_->Write(frame);  // if it fails, the receiver says why
}

Lane::~Lane() {
  Break();
  context_.TryCancel();
  if (writer_.joinable()) writer_.join();
  receiver_.join();
}

void Lane::StartWriter() {
  writer_ = std::thread([this] { WriteLoop(); });
}

void Lane::ReceiveLoop() {
  pb::WorkerFrame frame;
  while (stream_->Read(&frame)) callbacks_.frame(frame);
  callbacks_.ended(rpc::FromGrpc(stream_->Finish()));
}

bool Lane::Write(pb::AgentFrame frame) {
  if (!writer_.joinable()) return stream_->Write(frame);
  absl::MutexLock lock(&mutex_);
  const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return broken_ || queue_.size() < kQueue;
  };
  mutex_.Await(absl::Condition(&room));
  if (broken_) return false;
  queue_.push_back(std::move(frame));
  return true;
}

void Lane::WriteLoop() {
  while (true) {
    pb::AgentFrame frame;
    {
      absl::MutexLock lock(&mutex_);
      const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return broken_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&work));
      if (broken_) return;
      frame = std::move(queue_.front());
      queue_.pop_front();
    }
    if (!stream_->Write(frame)) return Break();
  }
}

void Lane::Break() {
  absl::MutexLock lock(&mutex_);
  broken_ = true;
}

}  // namespace godwit::agent
