// Programs that work on imports and exports in each other's place.
#include "absl/time/clock.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/transfer_store.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

class TransferWorkersTest : public RegistryTest {};

// Who took a transfer over is the only one who can go on with it.
TEST_F(TransferWorkersTest, AStaleOneIsFencedOff) {
  pg::Pool pool({.conninfo = installation_->database->conninfo()});
  installation_->registry.reset();  // nobody else works on it
  auto connection = pool.Acquire();
  ASSERT_OK(connection);
  using storage::TransferKind;
  ASSERT_OK(storage::InsertTransfer(**connection,
                                    {.id = NewId("import-"), .principal = "user/admin/a"}, "x", 1));
  EXPECT_THAT(storage::InsertTransfer(
                  **connection, {.id = NewId("import-"), .principal = "user/admin/a"}, "x", 1),
              StatusIs(absl::StatusCode::kResourceExhausted, "1 imports"));
  ASSERT_OK_AND_ASSIGN(const auto first, storage::ClaimTransfer(**connection, TransferKind::kImport,
                                                                absl::Milliseconds(1)));
  ASSERT_TRUE(first);
  absl::SleepFor(absl::Milliseconds(5));
  ASSERT_OK_AND_ASSIGN(
      const auto second,
      storage::ClaimTransfer(**connection, TransferKind::kImport, absl::Seconds(60)));
  ASSERT_TRUE(second);
  EXPECT_GT(second->generation, first->generation);
  ASSERT_OK_AND_ASSIGN(const auto third, storage::ClaimTransfer(**connection, TransferKind::kImport,
                                                                absl::Seconds(60)));
  EXPECT_FALSE(third);
  EXPECT_THAT(storage::LockOwnTransfer(**connection, *first),
              StatusIs(absl::StatusCode::kAborted, "taken over"));
  EXPECT_OK(storage::LockOwnTransfer(**connection, *second));
  storage::Transfer done = *second;
  done.row_count = done.done_row_count = 1;
  ASSERT_OK(storage::SaveProgress(**connection, done, absl::Seconds(60)));
  // A row that is done is not done again.
  EXPECT_THAT(storage::LockOwnTransfer(**connection, *second),
              StatusIs(absl::StatusCode::kAborted, "taken over"));
  ASSERT_OK(
      storage::EndTransfer(**connection, done, storage::TransferState::kSucceeded, std::nullopt));
  // Forgotten: not while they are new and few.
  ASSERT_OK(
      storage::ForgetTransfers(**connection, TransferKind::kImport, absl::Hours(1), 1000).status());
  EXPECT_OK(storage::GetTransfer(**connection, TransferKind::kImport, second->id));
  ASSERT_OK(
      storage::ForgetTransfers(**connection, TransferKind::kImport, absl::Hours(1), 0).status());
  EXPECT_THAT(storage::GetTransfer(**connection, TransferKind::kImport, second->id),
              StatusIs(absl::StatusCode::kNotFound, second->id));
  ASSERT_OK(StartRegistry());
}

}  // namespace
}  // namespace godwit::registry
