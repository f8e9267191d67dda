// Health and reflection of every server, asked as any tool would ask: with bytes, without our own
// stubs.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::TestPki;
namespace pb = ::godwit::jobs::v1;

class HealthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        server_,
        Server::Start({.listen = "127.0.0.1:0", .tls = pki_.Issue("service/jobs")}, {&service_}));
    stub_ = std::make_unique<grpc::GenericStub>(Dial(absl::StrCat("127.0.0.1:", server_->port()),
                                                     *ParsePrincipal("service/jobs"),
                                                     pki_.Issue("user/viewer/alice")));
  }
  static std::string Text(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string text;
    if (!buffer.Dump(&slices).ok()) return text;
    for (const grpc::Slice& slice : slices)
      text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return text;
  }
  // Waits for the next event of the queue.
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.AsyncNext(&tag, &ok,
                            std::chrono::system_clock::now() + std::chrono::seconds(10)) ==
               grpc::CompletionQueue::GOT_EVENT &&
           ok;
  }
  // One message there, the first one back.
  std::string Ask(const std::string& method, const std::string& bytes) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    const auto call = stub_->PrepareCall(&context, method, &queue_);
    call->StartCall(nullptr);
    EXPECT_TRUE(Next());
    call->Write(request, nullptr);
    EXPECT_TRUE(Next());
    call->Read(&response, nullptr);
    EXPECT_TRUE(Next());
    const std::string text = Text(response);
    context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    Next();
    return text;
  }

  TestPki pki_;
  pb::JobService::Service service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

TEST_F(HealthTest, ServingUntilToldOtherwise) {
  const std::string serving("\x08\x01", 2), not_serving("\x08\x02", 2);
  EXPECT_EQ(Ask("/grpc.health.v1.Health/Watch", ""), serving);
  server_->SetServing(false);
  EXPECT_EQ(Ask("/grpc.health.v1.Health/Watch", ""), not_serving);
}

TEST_F(HealthTest, ReflectionListsTheServices) {
  // ServerReflectionRequest.list_services, field 7.
  const std::string list("\x3a\x00", 2);
  EXPECT_NE(Ask("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", list)
                .find("godwit.jobs.v1.JobService"),
            std::string::npos);
}

}  // namespace
}  // namespace godwit::rpc
