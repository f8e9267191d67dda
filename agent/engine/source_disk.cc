#include "agent/engine/source_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {

absl::StatusOr<std::unique_ptr<SourceDisk>> SourceDisk::Open(
    const std::string& disk_id, const std::string& path, std::uint64_t size_bytes,
    std::unique_ptr<ChangeTracker> tracker) {
  if (tracker->States().size() != block::BlockCount(size_bytes)) {
    return absl::InternalError(absl::StrCat(path, ": the tracker was made for another size"));
  }
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  return std::unique_ptr<SourceDisk>(
      new SourceDisk(disk_id, path, size_bytes, std::move(fd), std::move(tracker)));
}

SourceDisk::SourceDisk(std::string disk_id, std::string path, std::uint64_t size_bytes, Fd fd,
                       std::unique_ptr<ChangeTracker> tracker)
    : disk_id_(std::move(disk_id)),
      path_(std::move(path)),
      size_bytes_(size_bytes),
      fd_(std::move(fd)),
      tracker_(std::move(tracker)),
      states_(tracker_->States()) {
  for (std::uint8_t& state : states_) {
    if ((state & kCaptured) != 0) state = (state & ~kCaptured) | kUnverified;
    pending_ += (state & kPending) != 0 ? 1 : 0;
    durable_ += (state & kDurable) != 0 ? 1 : 0;
    unverified_ += (state & kUnverified) != 0 ? 1 : 0;
  }
  ForgetSent();
}

void SourceDisk::Change(std::uint64_t block, std::uint8_t set, std::uint8_t clear) {
  const std::uint8_t before = states_[block];
  const auto after = static_cast<std::uint8_t>((before & ~clear) | set);
  states_[block] = after;
  const auto delta = [&](std::uint8_t bit) {
    return static_cast<std::uint64_t>((after & bit) != 0) -
           static_cast<std::uint64_t>((before & bit) != 0);
  };
  pending_ += delta(kPending);
  durable_ += delta(kDurable);
  unverified_ += delta(kUnverified);
}

absl::Status SourceDisk::Read(std::uint64_t first, std::uint64_t count,
                              block::MutableBytes out) const {
  std::uint64_t at = first * block::kBlockSize;
  const std::uint64_t end = std::min(size_bytes_, (first + count) * block::kBlockSize);
  std::size_t done = 0;
  while (at < end) {
    const ssize_t got = pread(fd_.get(), out.data() + done, end - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(absl::StrCat(path_, ": reading at byte ", at));
    if (got == 0) {
      return absl::InternalError(absl::StrCat(path_, ": ends at byte ", at, " instead of ",
                                              size_bytes_, ": was the disk resized?"));
    }
    at += static_cast<std::uint64_t>(got);
    done += static_cast<std::size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> SourceDisk::TakeMarks(bool exact, std::vector<std::uint64_t>* fresh) {
  std::uint64_t marks = 0;
  RETURN_IF_ERROR(tracker_->Take(exact, [&](std::uint64_t block) {
    if (block >= states_.size()) return;
    if ((states_[block] & kPending) == 0) {
      ++marked_;
      if (fresh != nullptr) fresh->push_back(block);
    }
    Change(block, kPending, 0);
    ++marks;
  }));
  return marks;
}

SourceDisk::Standing SourceDisk::StandingOf(std::uint64_t block) const {
  const std::uint8_t state = states_[block];
  if ((state & (kPending | kSent | kUnverified)) != 0) return Standing::kMoving;
  if ((state & kLeftOut) == 0) return Standing::kSettled;
  return (state & kCaptured) != 0 ? Standing::kFilled : Standing::kUnused;
}

void SourceDisk::Captured(std::uint64_t block) {
  if ((states_[block] & kPending) != 0) --marked_;
  Change(block, kCaptured, kPending);
}

void SourceDisk::SetAllPending() {
  for (std::uint64_t i = 0; i < states_.size(); ++i) {
    Change(i, kPending, kSent | kDurable | kUnverified);
  }
}

void SourceDisk::SetAllUnverified() {
  for (std::uint64_t i = 0; i < states_.size(); ++i) Change(i, kUnverified, 0);
}

std::uint64_t SourceDisk::LeaveOut(std::uint64_t first, std::uint64_t count) {
  std::uint64_t left_out = 0;
  for (std::uint64_t i = first; i < std::min<std::uint64_t>(first + count, states_.size()); ++i) {
    if ((states_[i] & (kPending | kUnverified)) == 0) continue;
    Change(i, kLeftOut, kPending | kUnverified | kCaptured);
    ++left_out;
  }
  return left_out;
}

void SourceDisk::ForgetSent() {
  for (std::uint64_t i = 0; i < states_.size(); ++i) {
    if ((states_[i] & kSent) != 0) Change(i, kPending, kSent);
  }
}

void SourceDisk::Committed() {
  for (std::uint64_t i = 0; i < states_.size() && durable_ > 0; ++i) {
    if ((states_[i] & kDurable) != 0) Change(i, 0, kDurable);
  }
}

BlockGroup SourceDisk::NextPending(std::uint64_t* cursor, std::uint32_t most) const {
  // A block on its way is not sent again before its end is known: the older frame's acknowledgement
  // would speak for the newer one.
  BlockGroup group;
  for (; *cursor < states_.size() && !ToSend(*cursor); ++*cursor) {
  }
  group.first_block = *cursor;
  for (std::uint32_t bit = 0; bit < most && *cursor < states_.size(); ++bit, ++*cursor) {
    if (ToSend(*cursor)) group.present |= 1u << bit;
  }
  return group;
}

std::uint64_t SourceDisk::NextUnverified(std::uint64_t* first, std::uint64_t limit) const {
  for (; *first < states_.size() && (states_[*first] & kUnverified) == 0; ++*first) {
  }
  std::uint64_t count = 0;
  while (count < limit && *first + count < states_.size() &&
         (states_[*first + count] & kUnverified) != 0) {
    ++count;
  }
  return count;
}

void SourceDisk::Sent(const BlockGroup& blocks) {
  for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks; ++bit) {
    if ((blocks.present >> bit & 1) != 0)
      Change(blocks.first_block + bit, kSent, kPending | kUnverified | kCaptured | kLeftOut);
  }
}

void SourceDisk::Durable(const BlockGroup& blocks) {
  for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks; ++bit) {
    if ((blocks.present >> bit & 1) != 0) Change(blocks.first_block + bit, kDurable, kSent);
  }
}

void SourceDisk::Verified(std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) Change(first + i, 0, kUnverified);
}

void SourceDisk::Differs(std::uint64_t block) {
  if (block < states_.size()) Change(block, kPending, 0);
}

}  // namespace godwit::agent
