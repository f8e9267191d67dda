// The data plane's server side: protos/godwit/replication/v1/block_stream.proto.
#pragma once

#include <functional>
#include <memory>

#include "godwit/replication/v1/block_stream.grpc.pb.h"
#include "services/replication/worker/engine/credit.h"
#include "services/replication/worker/engine/fair_share.h"
#include "services/replication/worker/engine/group_host.h"
#include "services/replication/worker/engine/lease_table.h"
#include "services/replication/worker/engine/turns.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// Thread-safe. Must be outlived by what it borrows.
class BlockStreamService final : public replication::v1::BlockStream::Service {
 public:
  struct Options {
    Credit::Options credit;
    // Of one session, 1 to SessionLanes::kMost.
    int max_lanes = SessionLanes::kMost;
    std::int64_t max_message_bytes = std::int64_t{4} << 20;
    // Data becomes durable after this much or this long, whichever is first.
    std::int64_t sync_bytes = std::int64_t{64} << 20;
    absl::Duration sync_interval = absl::Milliseconds(100);
    absl::Duration ack_interval = absl::Milliseconds(20);
    // Of all servers together, shared fairly; 0: none. Agents get a smaller credit with it.
    std::int64_t bandwidth_limit_bytes_per_second = 0;
    // Servers take turns at the store, by the weights of their leases. False only to measure what
    // that is good for.
    bool turns = true;
  };
  // `committed` is told of every point, after it is durable; it must not block.
  using Committed = std::function<void(const std::string& server, std::int64_t generation,
                                       const store::PointFacts& facts)>;
  BlockStreamService(GroupHost& host, const LeaseTable& leases, Options options,
                     Committed committed);

  grpc::Status Replicate(grpc::ServerContext* context,
                         grpc::ServerReaderWriter<replication::v1::WorkerFrame,
                                                  replication::v1::AgentFrame>* stream) override;

 private:
  int LanesOf(const replication::v1::Open& open) const;

  GroupHost& host_;
  const LeaseTable& leases_;
  const Options options_;
  const Committed committed_;
  const std::unique_ptr<FairShare> share_;       // null: no limit
  const std::unique_ptr<Turns> frames_, syncs_;  // null: without turns
};

}  // namespace godwit::worker
