// What an encrypted group promises: nothing in plain text, nothing without the key, nothing lost on
// the way to that.
#include "tests/unit/services/replication/worker/store/store_fixture.h"

#include "services/common/crypt/master_keys.h"
#include "services/replication/worker/store/delta_log.h"
#include "services/replication/worker/store/file_store.h"

namespace godwit::store {
namespace {

constexpr char kPattern[] = "Recognisable plain text, 32 byte";  // sectors are full of it
static_assert(sizeof kPattern - 1 == 32);

class EncryptionTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(crypt::AddMasterKey(keys_).status()); }
  std::unique_ptr<Store> OpenStore(bool with_keys = true) {
    auto store = OpenFileStore(dir_ / "store", with_keys ? keys_ : "");
    EXPECT_OK(store.status());
    return *std::move(store);
  }
  static std::string Pattern(std::size_t size) {
    std::string text;
    while (text.size() < size) text += kPattern;
    return text;
  }
  static absl::Status Write(Group& group, std::size_t disk, std::uint64_t first,
                            std::uint64_t count) {
    block::AlignedBuffer buffer(count * block::kBlockSize);
    std::memcpy(buffer.data(), Pattern(buffer.size()).data(), buffer.size());
    return group.Write(disk, first, buffer.bytes());
  }
  static absl::Status Patch(Group& group, std::uint64_t sector, std::size_t sectors) {
    const std::string text = Pattern(sectors * 512);
    return group.Patch(
        0, {{sector, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}}});
  }
  // Files of the store that hold a piece of the pattern, or the digest of a block of it.
  std::vector<std::string> Leaks() {
    const std::string text = Pattern(block::kBlockSize);
    const block::Digest digest =
        block::DigestOf({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const std::string known(reinterpret_cast<const char*>(digest.bytes.data()), 16);
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "store")) {
      if (!entry.is_regular_file()) continue;
      const auto bytes = ReadFile(entry.path(), std::size_t{1} << 30);
      EXPECT_OK(bytes.status());
      ++files_;
      if (bytes->find(std::string(kPattern, 16)) != std::string::npos ||
          bytes->find(known) != std::string::npos)
        found.push_back(entry.path().filename().string());
    }
    return found;
  }
  // Everything a store has: an open base, sealed layers of both sorts, a merged one, a delta log
  // with and without a commit, a clone.
  void Fill(bool encrypted, std::vector<std::string>* leaks) {
    const auto look = [&] {
      for (const std::string& name : Leaks()) leaks->push_back(name);
    };
    const std::unique_ptr<Store> store = OpenStore();
    const auto open = [&](std::int64_t generation) {
      return encrypted ? store->OpenEncryptedGroup(kServer, generation, Disks())
                       : store->OpenGroup(kServer, generation, Disks());
    };
    ASSERT_OK_AND_ASSIGN(std::shared_ptr<Group> group, open(1));
    ASSERT_OK(Write(*group, 0, 3, 4));
    ASSERT_OK(group->Sync());
    look();
    group.reset();
    ASSERT_OK_AND_ASSIGN(group, open(2));  // the base of another writer
    std::int64_t epoch = 0;
    const auto commit = [&](bool interim) {
      return group->Commit({.epoch = ++epoch, .consistency = 1, .interim = interim}).status();
    };
    ASSERT_OK(Write(*group, 0, 5, 1));
    ASSERT_OK(commit(false));
    look();
    ASSERT_OK(Write(*group, 1, 2, 2));
    ASSERT_OK(group->Sync());
    look();
    ASSERT_OK(commit(false));
    ASSERT_OK(Patch(*group, 33, 17));
    ASSERT_OK(commit(true));
    ASSERT_OK(Patch(*group, 99, 5));
    ASSERT_OK(group->Sync());
    look();
    ASSERT_OK(commit(false));
    ASSERT_OK(Patch(*group, 1, 3));
    ASSERT_OK(commit(false));
    ASSERT_OK(group->CreateClone(kClone, epoch).status());
    ASSERT_OK(group->DeletePoints({1, 2, 3}));
    look();
  }
  TempDir dir_;
  const std::string keys_ = dir_ / "master.keys";
  int files_ = 0;
};

TEST_F(EncryptionTest, NoFileHasPlainTextOrItsDigests) {
  std::vector<std::string> leaks;
  Fill(/*encrypted=*/true, &leaks);
  EXPECT_THAT(leaks, ::testing::IsEmpty());
  EXPECT_GT(files_, 30);
}

// The test above can fail: without encryption content and digests are found in every sort of file.
TEST_F(EncryptionTest, WithoutItTheyAreFound) {
  std::vector<std::string> leaks;
  Fill(/*encrypted=*/false, &leaks);
  for (const char* const name : {"base.raw", "base.raw.journal", "old.raw", "old.digests",
                                 "delta-2.log", "e2.qcow2", "e2.qcow2.journal", "e4.qcow2"}) {
    EXPECT_THAT(leaks, ::testing::Contains(name));
  }
}

TEST_F(EncryptionTest, AnEncryptedGroupStaysSoAndNeedsItsKey) {
  {
    const std::unique_ptr<Store> store = OpenStore();
    ASSERT_OK_AND_ASSIGN(const auto group, store->OpenEncryptedGroup(kServer, 1, Disks()));
    ASSERT_OK(Write(*group, 0, 0, 2));
    ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}).status());
  }
  {
    const std::unique_ptr<Store> store = OpenStore(/*with_keys=*/false);
    EXPECT_THAT(store->OpenGroup(kServer, 2, Disks()).status(),
                StatusIs(absl::StatusCode::kFailedPrecondition, "--master-key-file"));
    EXPECT_THAT(store->OpenEncryptedGroup("s-0123456789abcdef1", 1, Disks()).status(),
                StatusIs(absl::StatusCode::kFailedPrecondition, "--master-key-file"));
  }
  // What was refused changed nothing: the older generation is still there for whoever has the key.
  const std::unique_ptr<Store> store = OpenStore();
  ASSERT_OK_AND_ASSIGN(auto group, store->OpenGroup(kServer, 1, Disks()));
  EXPECT_EQ(group->committed_epoch(), 1);
  ASSERT_OK(Write(*group, 0, 7, 1));
  ASSERT_OK(group->Commit({.epoch = 2, .consistency = 1}).status());
  EXPECT_THAT(Leaks(), ::testing::IsEmpty());
}

TEST_F(EncryptionTest, AReplicaThatWasBegunWithoutIsRefusedAndLeftAsItIs) {
  const std::unique_ptr<Store> store = OpenStore();
  { ASSERT_OK_AND_ASSIGN(const auto empty, store->OpenGroup(kServer, 1, Disks())); }
  {  // nothing in it yet
    ASSERT_OK_AND_ASSIGN(const auto group, store->OpenEncryptedGroup(kServer, 2, Disks()));
    ASSERT_OK(Write(*group, 0, 0, 2));
    ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}).status());
    EXPECT_THAT(Leaks(), ::testing::IsEmpty());
  }
  ASSERT_OK(store->RemoveGroup(kServer));
  {
    ASSERT_OK_AND_ASSIGN(const auto group, store->OpenGroup(kServer, 1, Disks()));
    ASSERT_OK(Write(*group, 0, 0, 2));
    ASSERT_OK(group->Sync());
  }
  EXPECT_THAT(store->OpenEncryptedGroup(kServer, 2, Disks()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "stop replication"));
  ASSERT_OK_AND_ASSIGN(const auto group, store->OpenGroup(kServer, 1, Disks()));
  EXPECT_FALSE(group->Empty(0));
}

TEST_F(EncryptionTest, RotationNeedsNoRestartAndAnotherKeyOpensNothing) {
  const std::unique_ptr<Store> store = OpenStore();
  const std::string folder = dir_ / absl::StrCat("store/groups/", kServer);
  {
    ASSERT_OK_AND_ASSIGN(const auto group, store->OpenEncryptedGroup(kServer, 1, Disks()));
    ASSERT_OK(Write(*group, 0, 0, 2));
    ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}).status());
  }
  ASSERT_OK_AND_ASSIGN(const std::string fresh, crypt::AddMasterKey(keys_));
  ASSERT_OK(store->OpenGroup(kServer, 2, Disks()).status());
  ASSERT_OK_AND_ASSIGN(const std::string by, crypt::GroupKey::WrappedBy(folder));
  EXPECT_EQ(by, fresh);
  ASSERT_EQ(unlink(keys_.c_str()), 0);
  ASSERT_OK(crypt::AddMasterKey(keys_).status());
  EXPECT_THAT(store->OpenGroup(kServer, 3, Disks()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, fresh));
}

TEST_F(EncryptionTest, DamagedOrMissingKeysAreNamed) {
  const std::string folder = dir_ / absl::StrCat("store/groups/", kServer, "/");
  {
    const std::unique_ptr<Store> store = OpenStore();
    ASSERT_OK_AND_ASSIGN(const auto group, store->OpenEncryptedGroup(kServer, 1, Disks()));
    ASSERT_OK(Write(*group, 0, 0, 2));
    ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}).status());
  }
  const std::unique_ptr<Store> store = OpenStore();
  ASSERT_OK_AND_ASSIGN(const std::string key, ReadFile(folder + "group.key"));
  std::string damaged = key;
  damaged[damaged.size() - 9] = damaged[damaged.size() - 9] == 'a' ? 'b' : 'a';
  ASSERT_OK(WriteFileAtomically(folder + "group.key", damaged));
  EXPECT_THAT(store->OpenGroup(kServer, 1, Disks()).status(),
              StatusIs(absl::StatusCode::kDataLoss, "group.key"));
  ASSERT_EQ(unlink((folder + "group.key").c_str()), 0);
  EXPECT_THAT(store->OpenGroup(kServer, 1, Disks()).status(),
              StatusIs(absl::StatusCode::kDataLoss, "group.key"));
  ASSERT_OK(WriteFileAtomically(folder + "group.key", key));
  // The key of an image, in its header.
  const std::string base = folder + "g1/d-00000000000000001/base.qcow2";
  ASSERT_OK_AND_ASSIGN(std::string image, ReadFile(base));
  image[image.find("GWK1") + 40] ^= 1;
  ASSERT_OK(WriteFileAtomically(base, image));
  EXPECT_THAT(store->OpenGroup(kServer, 1, Disks()).status(),
              StatusIs(absl::StatusCode::kDataLoss, "base.qcow2"));
}

TEST_F(EncryptionTest, ATornEncryptedJournalEndsWhereItIsTorn) {
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys keys, crypt::MasterKeys::Load(keys_));
  ASSERT_OK_AND_ASSIGN(const auto group, crypt::GroupKey::LoadOrMake(dir_ / "", keys));
  std::vector<Placed> records;
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Journal::Open(dir_ / "j", &records, group));
    ASSERT_OK(journal.Append({{.block = 1, .offset = 65536}}));
    ASSERT_OK(journal.Append({{.block = 2, .offset = Placed::kZero}}));
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(dir_ / "j"));
  ASSERT_EQ(bytes.size(), kKeyPageBytes + 2 * kPlacedBytes);
  for (std::size_t keep = kKeyPageBytes; keep <= bytes.size(); ++keep) {
    ASSERT_OK(WriteFileAtomically(dir_ / "torn",
                                  bytes.substr(0, keep) + std::string(bytes.size() - keep, '\7')));
    ASSERT_OK_AND_ASSIGN(records, Journal::Read(dir_ / "torn", group));
    EXPECT_EQ(records.size(), (keep - kKeyPageBytes) / kPlacedBytes);
  }
  for (const std::size_t keep : {std::size_t{0}, std::size_t{512}, kKeyPageBytes - 1}) {
    ASSERT_OK(WriteFileAtomically(dir_ / "torn", bytes.substr(0, keep)));
    ASSERT_OK_AND_ASSIGN(Journal journal, Journal::Open(dir_ / "torn", &records, group));
    EXPECT_EQ(records.size(), 0u);
    ASSERT_OK(journal.Append({{.block = 9, .offset = 0}}));
    ASSERT_OK_AND_ASSIGN(records, Journal::Read(dir_ / "torn", group));
    EXPECT_EQ(records.size(), 1u);
  }
  std::string damaged = bytes;
  damaged[20] ^= 1;
  ASSERT_OK(WriteFileAtomically(dir_ / "torn", damaged));
  EXPECT_THAT(Journal::Read(dir_ / "torn", group).status(),
              StatusIs(absl::StatusCode::kDataLoss, "torn"));
}

}  // namespace
}  // namespace godwit::store
