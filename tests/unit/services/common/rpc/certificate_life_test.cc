#include "services/common/rpc/certificate_life.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "services/common/rpc/ca.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;

class CertificateLifeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const CaMaterial ca, MakeCa("CA", absl::Hours(24 * 365), now_));
    ASSERT_OK_AND_ASSIGN(const KeyAndCsr pair, MakeKeyAndCsr("agent"));
    ASSERT_OK_AND_ASSIGN(chain_, Issue(ca, pair.csr_pem,
                                       {.identity = {.kind = PeerKind::kService, .id = "jobs"},
                                        .lifetime = kLife,
                                        .now = now_}));
  }
  static constexpr absl::Duration kLife = absl::Hours(24);
  const absl::Time now_ = absl::FromUnixSeconds(1780000000);
  std::string chain_;
};

TEST_F(CertificateLifeTest, IsDueAfterTwoThirds) {
  ASSERT_OK_AND_ASSIGN(const CertificateLife life, LifeOf(chain_));
  EXPECT_EQ(life.end, now_ + kLife);
  EXPECT_LE(life.begin, now_);
  EXPECT_GE(life.begin, now_ - absl::Minutes(10));
  EXPECT_GT(life.due(), now_ + absl::Hours(15));
  EXPECT_LE(life.due(), now_ + absl::Hours(16));
}

TEST_F(CertificateLifeTest, NamesTheCertificateAndSaysWhatToDo) {
  EXPECT_OK(CheckLife(chain_, "/tls/tls.crt", "do this", now_));
  EXPECT_OK(CheckLife(chain_, "/tls/tls.crt", "do this", now_ + kLife));
  EXPECT_THAT(CheckLife(chain_, "/tls/tls.crt", "do this", now_ + kLife + absl::Seconds(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "/tls/tls.crt: the certificate ended at 2026-05-29 20:26:40 UTC"));
  EXPECT_THAT(CheckLife(chain_, "x", "do this", now_ + kLife * 2),
              StatusIs(absl::StatusCode::kFailedPrecondition, "do this"));
  EXPECT_THAT(CheckLife(chain_, "x", "", now_ - absl::Hours(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "set the clock right"));
  EXPECT_THAT(CheckLife("no certificate", "x", "", now_),
              StatusIs(absl::StatusCode::kInvalidArgument, "cannot be read"));
}

}  // namespace
}  // namespace godwit::rpc
