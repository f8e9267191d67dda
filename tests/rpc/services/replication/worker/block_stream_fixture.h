// A worker's block stream service with one leased server, and scripted agents.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/block/hash.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::worker {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;

inline constexpr char kServer[] = "s-0123456789abcdef0";
inline constexpr char kDisk[] = "d-0123456789abcdef0";
inline constexpr std::int64_t kBytes = 64 * kBlockSize;

class BlockStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Lease(5);
    ASSERT_OK_AND_ASSIGN(server_,
                         rpc::Server::Start({.listen = "127.0.0.1:0",
                                             .tls = pki_.Issue("worker/w-0123456789abcdef0"),
                                             .max_message_bytes = 8 << 20,
                                             .traffic = rpc::Traffic::kData},
                                            {&service_}));
  }
  void TearDown() override { host_.CloseAll(); }
  void Lease(std::int64_t generation) {
    leases_.Renew(RealClock().Monotonic(), absl::Minutes(10),
                  {{kServer,
                    {.generation = generation,
                     .disks = {{.disk_id = kDisk,
                                .device_name = "/dev/sda",
                                .size_bytes = static_cast<std::uint64_t>(kBytes),
                                .is_boot_disk = true}}}}});
  }

  // A scripted agent.
  struct Stream {
    std::unique_ptr<pb::BlockStream::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<pb::AgentFrame, pb::WorkerFrame>> stream;
    std::uint64_t sequence = 0;
    ~Stream() { context.TryCancel(); }
    bool Send(pb::AgentFrame frame) {
      frame.set_sequence(++sequence);
      return stream->Write(frame);
    }
    // The next frame that `wanted` accepts.
    template <typename F>
    pb::WorkerFrame Await(const F& wanted) {
      pb::WorkerFrame frame;
      while (stream->Read(&frame)) {
        if (wanted(frame)) return frame;
      }
      return {};
    }
    absl::Status End() {
      stream->WritesDone();
      pb::WorkerFrame frame;
      while (stream->Read(&frame)) {
      }
      return rpc::FromGrpc(stream->Finish());
    }
  };
  std::unique_ptr<Stream> Connect(const std::string& principal = absl::StrCat("agent/", kServer)) {
    auto stream = std::make_unique<Stream>();
    const auto channel = rpc::Dial(absl::StrCat("127.0.0.1:", server_->port()),
                                   *rpc::ParsePrincipal("worker/w-0123456789abcdef0"),
                                   pki_.Issue(principal), rpc::Traffic::kData);
    stream->stub = pb::BlockStream::NewStub(channel);
    rpc::SetTimeout(stream->context, absl::Seconds(30));
    stream->stream = stream->stub->Replicate(&stream->context);
    return stream;
  }
  static pb::AgentFrame OpenFrame(std::int64_t generation = 5) {
    pb::AgentFrame frame;
    pb::Open& open = *frame.mutable_open();
    open.set_source_server(absl::StrCat("sourceServers/", kServer));
    open.set_lease_generation(generation);
    open.set_lane_count(1);
    open.set_session_id(NewUuid());
    open.add_disks()->set_disk_id(kDisk);
    open.mutable_disks(0)->set_size_bytes(kBytes);
    return frame;
  }
  std::unique_ptr<Stream> Opened() {
    auto stream = Connect();
    stream->stream->Write(OpenFrame());
    EXPECT_TRUE(stream->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); })
                    .has_opened());
    return stream;
  }
  absl::Status OpenWith(const pb::AgentFrame& open) {
    auto stream = Connect();
    stream->stream->Write(open);
    return stream->End();
  }
  static pb::AgentFrame DataFrame(std::uint64_t block, char value, std::size_t count = 1) {
    pb::AgentFrame frame;
    pb::Data& data = *frame.mutable_data();
    data.set_first_block(block);
    data.set_present((1u << count) - 1);
    data.set_codec(pb::CODEC_NONE);
    data.set_payload(std::string(count * kBlockSize, value));
    data.set_checksum(block::Checksum(
        {reinterpret_cast<const std::uint8_t*>(data.payload().data()), count * kBlockSize}));
    return frame;
  }
  static void Flush(Stream& stream) {
    pb::AgentFrame frame;
    frame.mutable_flush();
    stream.Send(frame);
    const std::uint64_t wanted = stream.sequence;
    EXPECT_EQ(
        stream.Await([&](const pb::WorkerFrame& f) { return f.ack().durable_sequence() >= wanted; })
            .ack()
            .durable_sequence(),
        wanted);
  }
  absl::Status SendBad(const pb::AgentFrame& frame) {
    auto stream = Opened();
    stream->Send(frame);
    return stream->End();
  }

  TempDir dir_;
  TestPki pki_;
  const std::unique_ptr<store::Store> store_ = *store::OpenFileStore(dir_ / "store");
  LeaseTable leases_{RealClock()};
  GroupHost host_{*store_, leases_};
  BlockStreamService service_{
      host_, leases_, {}, [this](const std::string&, std::int64_t, const store::PointFacts&) {
        ++points_;
      }};
  std::atomic<int> points_ = 0;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace godwit::worker
