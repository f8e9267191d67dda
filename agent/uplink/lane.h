// One stream to the worker, on a connection of its own. See "Lanes" in block_stream.proto.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/block_stream.grpc.pb.h"

namespace godwit::agent {

class Lane {
 public:
  struct Callbacks {
    // On a thread of the lane, in the order of arrival.
    std::function<void(const replication::v1::WorkerFrame&)> frame;
    // The last one: why the stream ended.
    std::function<void(const absl::Status&)> ended;
  };
  // Sends Open.
  Lane(std::shared_ptr<grpc::Channel> channel, const replication::v1::Open& open,
       Callbacks callbacks);
  // Ends the stream at once.
  ~Lane();
  // Frames are written by a thread of the lane from here on, so that one lane does not wait for
  // another. Before the first Write.
  void StartWriter();
  // By one thread. Waits for the line, with a writer for room in its queue (kQueue frames). False:
  // the stream broke or Break was called.
  bool Write(replication::v1::AgentFrame frame);
  // Nobody waits in Write any more.
  void Break();

 private:
  static constexpr std::size_t kQueue = 2;
  void ReceiveLoop();
  void WriteLoop();

  const std::unique_ptr<replication::v1::BlockStream::Stub> stub_;
  const Callbacks callbacks_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<replication::v1::AgentFrame, replication::v1::WorkerFrame>>
      stream_;
  std::thread receiver_, writer_;

  absl::Mutex mutex_;
  std::deque<replication::v1::AgentFrame> queue_ ABSL_GUARDED_BY(mutex_);
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace godwit::agent
