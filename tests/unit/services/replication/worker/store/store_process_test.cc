// Writers in other processes: killed, or stopped and let on too late.
#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"
#include "tests/unit/services/replication/worker/store/store_writer.h"

namespace godwit::store {
namespace {

// What a writer's log promises.
struct Promised {
  std::uint64_t synced = 0;                                 // the last operation that is durable
  std::map<std::int64_t, std::uint64_t> points;             // epoch -> its last operation
  std::pair<std::int64_t, std::uint64_t> interim = {0, 0};  // after the last point
  std::string refused;
};

class StoreProcessTest : public StoreTest {
 protected:
  void SetUp() override {
    backend_ = MakeBackend(dir_.path());
    for (const DiskSpec& disk : Disks()) now_.emplace_back(disk.size_bytes, '\0');
  }
  absl::StatusOr<Process> StartWriter(int generation) {
    return Process::Start({.command = {std::filesystem::read_symlink("/proc/self/exe").string()},
                           .log = dir_ / "writer.out",
                           .environment = {{"GODWIT_STORE_WRITER", backend_->place()},
                                           {"GODWIT_STORE_LOG", dir_ / "writer.log"},
                                           {"GODWIT_STORE_GENERATION", absl::StrCat(generation)}}});
  }
  Promised Read() {
    Promised promised;
    const std::string text = ReadFile(dir_ / "writer.log").value_or("");
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      std::uint64_t number = 0;
      std::int64_t epoch = 0;
      if (words[0] == "refused") promised.refused = std::string(line);
      if (words[0] == "synced" && absl::SimpleAtoi(words[1], &number)) promised.synced = number;
      if (words[0] != "committed" || words.size() < 4 || !absl::SimpleAtoi(words[1], &epoch) ||
          !absl::SimpleAtoi(words[2], &number))
        continue;
      promised.synced = number;
      if (words[3] == "point") {
        promised.points[epoch] = number;
        promised.interim = {0, 0};
      } else {
        promised.interim = {epoch, number};
      }
    }
    return promised;
  }
  // Until it promised `points` points and an interim epoch after them.
  Promised AwaitPromises(Process& writer, std::size_t points) {
    const absl::Time end = absl::Now() + absl::Seconds(60);
    while (absl::Now() < end && writer.Running()) {
      const Promised promised = Read();
      if (promised.points.size() >= points && promised.interim.first > 0) return promised;
      absl::SleepFor(absl::Milliseconds(5));
    }
    ADD_FAILURE() << "no promises: " << ReadFile(dir_ / "writer.log").value_or("") << writer.Log();
    return Read();
  }
  static Content After(std::uint64_t number) {
    Content contents;
    for (const DiskSpec& disk : Disks()) contents.emplace_back(disk.size_bytes, '\0');
    for (std::uint64_t i = 1; i <= number; ++i) EXPECT_OK(Operate(i, contents, nullptr));
    return contents;
  }
  static std::string_view Block(const std::string& content, std::uint64_t b) {
    return std::string_view(content).substr(b * block::kBlockSize, block::kBlockSize);
  }
  // A writer may end between a commit and its promise: it commits after every twentieth operation,
  // and one of five is a point.
  void AddUnsaid(Promised* promised) const {
    std::int64_t said = promised->interim.first;
    if (said == 0 && !promised->points.empty()) said = promised->points.rbegin()->first;
    const std::int64_t epoch = group_->committed_epoch();
    if (epoch != said + 1) return;
    promised->synced = static_cast<std::uint64_t>(epoch) * 20;
    promised->interim = {0, 0};
    if (promised->synced % 100 == 0) {
      promised->points[epoch] = promised->synced;
    } else {
      promised->interim = {epoch, promised->synced};
    }
  }
  // The group, opened anew, holds what was promised, and of later operations nothing but what they
  // wrote.
  void ExpectKept(Promised promised) {
    ASSERT_GE(group_->committed_epoch(), promised.interim.first);
    AddUnsaid(&promised);
    for (const auto& [epoch, number] : promised.points) points_[epoch] = After(number);
    if (promised.interim.first > 0)
      points_[promised.interim.first] = After(promised.interim.second);
    for (const auto& [epoch, content] : points_) ExpectPoint(epoch);
    found_.clear();
    for (std::size_t d = 0; d < Disks().size(); ++d) {
      found_.emplace_back();
      for (std::uint64_t b = 0; b < block::BlockCount(Disks()[d].size_bytes); ++b) {
        bool damaged = false;
        ASSERT_OK_AND_ASSIGN(const block::Digest digest, group_->ReadBack(d, b, &damaged));
        EXPECT_FALSE(damaged);
        found_[d].push_back(digest);
      }
    }
    ExpectFound(promised.synced);
  }
  // What ExpectKept found has all operations up to `synced`.
  void ExpectFound(std::uint64_t synced) {
    Content content = After(synced);
    std::vector<std::map<std::uint64_t, std::set<block::Digest>>> allowed(content.size());
    const auto allow = [&] {
      for (std::size_t d = 0; d < content.size(); ++d) {
        for (std::uint64_t b = 0; b < block::BlockCount(content[d].size()); ++b) {
          const std::string_view bytes = Block(content[d], b);
          allowed[d][b].insert(
              block::DigestOf({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
        }
      }
    };
    allow();
    // It syncs after every seventh.
    for (std::uint64_t i = synced + 1; i <= synced + 8; ++i) {
      ASSERT_OK(Operate(i, content, nullptr));
      allow();
    }
    int certain = 0;
    for (std::size_t d = 0; d < content.size(); ++d) {
      for (std::uint64_t b = 0; b < found_[d].size(); ++b) {
        // An operation that was not promised may be there in part.
        if (allowed[d][b].size() > 1) continue;
        ++certain;
        EXPECT_TRUE(allowed[d][b].contains(found_[d][b])) << "disk " << d << " block " << b;
      }
    }
    EXPECT_GT(certain, 20);
  }

  std::vector<std::vector<block::Digest>> found_;
};

TEST_F(StoreProcessTest, WhatAKilledWriterPromisedIsThere) {
  int generation = 1;
  ASSERT_OK_AND_ASSIGN(Process writer, StartWriter(generation));
  AwaitPromises(writer, 2);
  writer.Signal(SIGKILL);
  const Promised promised = Read();
  ASSERT_OK_AND_ASSIGN(store_, backend_->Open());
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, generation, Disks()));
  ExpectKept(promised);
}

// A worker whose machine stood still: it is let on when another one has the group.
TEST_F(StoreProcessTest, AStoppedWriterThatGoesOnDamagesNothing) {
  ASSERT_OK_AND_ASSIGN(Process writer, StartWriter(1));
  AwaitPromises(writer, 1);
  writer.Signal(SIGSTOP);
  const Promised promised = Read();
  ASSERT_OK_AND_ASSIGN(store_, backend_->Open());
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  ExpectKept(promised);
  // The new owner writes everything.
  for (std::size_t d = 0; d < now_.size(); ++d)
    ASSERT_OK(Write(d, 0, block::BlockCount(now_[d].size()), static_cast<char>('p' + d)));
  Commit();
  const std::int64_t epoch = group_->committed_epoch();
  writer.Signal(SIGCONT);
  ASSERT_OK(writer.Wait(absl::Seconds(60)).status());
  const Promised late = Read();
  EXPECT_THAT(late.refused, ::testing::HasSubstr("refused 10")) << "ABORTED";
  // It may have been stopped between its work and its promise, once: then the work was there.
  EXPECT_LE(late.synced, promised.synced + 7);
  EXPECT_LE(late.points.size(), promised.points.size() + 1);
  ExpectFound(late.synced);
  for (const auto& [each, number] : late.points) EXPECT_TRUE(points_.contains(each)) << each;
  for (std::size_t d = 0; d < now_.size(); ++d) {
    for (std::uint64_t b = 0; b < block::BlockCount(now_[d].size()); ++b) {
      bool damaged = false;
      ASSERT_OK_AND_ASSIGN(const block::Digest digest, group_->ReadBack(d, b, &damaged));
      const std::string_view bytes = Block(now_[d], b);
      EXPECT_EQ(digest, block::DigestOf(
                            {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
    }
  }
  ExpectPoint(epoch);
  Open(3);
  for (const auto& [each, content] : points_) ExpectPoint(each);
}

}  // namespace
}  // namespace godwit::store
