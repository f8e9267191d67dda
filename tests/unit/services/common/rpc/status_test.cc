#include <grpcpp/impl/codegen/status.h>

#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

TEST(Status, DetailsSurviveTheWayThroughGrpc) {
  const absl::Status in =
      WithInfo(absl::FailedPreconditionError("no"), {.reason = "WRONG_LIFECYCLE_STATE",
                                                     .domain = "registry",
                                                     .metadata = {{"helpful_call", "StartTest"}},
                                                     .retry_after = absl::Seconds(7)});
  const absl::Status out = FromGrpc(ToGrpc(in));
  EXPECT_EQ(out, in);
  const ErrorInfo info = GetInfo(out);
  EXPECT_EQ(info.reason, "WRONG_LIFECYCLE_STATE");
  EXPECT_EQ(info.metadata.front().second, "StartTest");
  EXPECT_EQ(info.retry_after, absl::Seconds(7));
}

TEST(Status, FieldErrorNamesTheField) {
  const absl::Status status = FieldError("page_size", "must be 0 to 500");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "page_size: must be 0 to 500");
  EXPECT_EQ(GetInfo(FromGrpc(ToGrpc(status))).field_violations.front().first, "page_size");
}

TEST(Status, BadDetailsOfAPeerAreIgnored) {
  const grpc::Status peer(grpc::StatusCode::ABORTED, "x", "\xff\xffgarbage");
  EXPECT_EQ(FromGrpc(peer), absl::AbortedError("x"));
}

}  // namespace
}  // namespace godwit::rpc
