#include "tests/unit/services/replication/worker/store/store_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {

absl::Status Operate(std::uint64_t number, std::vector<std::string>& contents, Group* group) {
  std::mt19937_64 random(number);
  const auto pick = [&](std::uint64_t n) { return random() % n; };
  const std::size_t disk = pick(contents.size());
  std::string& content = contents[disk];
  const std::uint64_t blocks = block::BlockCount(content.size());
  // In the beginning most of the disks is written.
  const bool patch = number > 40 && pick(3) > 0, zero = !patch && pick(8) == 0;
  if (patch) {
    const std::uint64_t sectors = content.size() / 512, sector = pick(sectors);
    const std::uint64_t count = 1 + pick(std::min<std::uint64_t>(40, sectors - sector));
    std::vector<std::uint8_t> bytes(count * 512);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    std::memcpy(content.data() + sector * 512, bytes.data(), bytes.size());
    return group == nullptr ? absl::OkStatus() : group->Patch(disk, {{sector, bytes}});
  }
  const std::uint64_t first = pick(blocks),
                      count = 1 + pick(std::min<std::uint64_t>(8, blocks - first));
  const std::size_t from = first * block::kBlockSize;
  const std::size_t size = std::min<std::size_t>(count * block::kBlockSize, content.size() - from);
  block::AlignedBuffer buffer(size);
  if (!zero)
    for (std::size_t i = 0; i < size; i += 8) {
      const std::uint64_t word = random();
      std::memcpy(buffer.data() + i, &word, std::min<std::size_t>(8, size - i));
    }
  std::memcpy(content.data() + from, buffer.data(), size);
  if (group == nullptr) return absl::OkStatus();
  return zero ? group->Zero(disk, first, count) : group->Write(disk, first, buffer.bytes());
}

int RunWriter(const std::string& place, const std::string& log) {
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const auto say = [&](const std::string& line) {
    if (write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
  };
  const auto work = [&]() -> absl::Status {
    const auto backend = MakeBackend(place);
    ASSIGN_OR_RETURN(const auto store, backend->Open());
    const char* generation = std::getenv("GODWIT_STORE_GENERATION");
    ASSIGN_OR_RETURN(const auto group, backend->OpenGroup(*store, std::atoi(generation), Disks()));
    std::vector<std::string> contents;
    for (const DiskSpec& disk : Disks()) contents.emplace_back(disk.size_bytes, '\0');
    for (std::uint64_t number = 1;; ++number) {
      RETURN_IF_ERROR(Operate(number, contents, group.get()));
      if (number % 7 == 0) {
        RETURN_IF_ERROR(group->Sync());
        say(absl::StrCat("synced ", number, "\n"));
      }
      if (number % 20 != 0) continue;
      ASSIGN_OR_RETURN(const PointFacts facts, group->Commit({.epoch = group->committed_epoch() + 1,
                                                              .cut_time = absl::Now(),
                                                              .consistency = 1,
                                                              .interim = number % 100 != 0}));
      say(absl::StrCat("committed ", facts.epoch, " ", number,
                       facts.interim ? " interim\n" : " point\n"));
    }
  };
  const absl::Status status = work();
  say(absl::StrCat("refused ", static_cast<int>(status.code()), " ", status.message(), "\n"));
  return 0;
}

}  // namespace godwit::store
