#include "services/replication/worker/store/rbd/image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::store::rbd {
namespace {

// Under way at once: enough to keep a few OSDs busy, little enough for many groups in a worker.
constexpr std::uint64_t kMaxBytesUnderWay = std::uint64_t{16} << 20;
constexpr std::size_t kMaxWritesUnderWay = 1024;
// Of one zeroing: bounds how long one waits.
constexpr std::uint64_t kMaxZeroBytes = std::uint64_t{1} << 30;
constexpr int kObjectOrder = 22;  // 4 MiB

}  // namespace

struct Image::Begun {
  Image* image;
  std::uint64_t offset;
  std::uint64_t size;
  std::vector<std::uint8_t> bytes;
};

absl::StatusOr<std::unique_ptr<Image>> Image::Open(Cluster& cluster, const std::string& name,
                                                   std::uint64_t size_bytes) {
  std::unique_ptr<Image> image(new Image(name));
  image->size_ = size_bytes;
  image->patience_ = cluster.options().patience;
  int code = rbd_open(cluster.io(), name.c_str(), &image->image_, nullptr);
  if (code == -ENOENT) {
    // The maps of objects make differences and sizes cheap.
    const std::uint64_t features = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK |
                                   RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF;
    int order = kObjectOrder;
    code = rbd_create2(cluster.io(), name.c_str(), size_bytes, features, &order);
    if (code == 0) code = rbd_open(cluster.io(), name.c_str(), &image->image_, nullptr);
  }
  RETURN_IF_ERROR(CephStatus(code, name));
  std::uint64_t size = 0;
  RETURN_IF_ERROR(CephStatus(rbd_get_size(image->image_, &size), name));
  if (size != size_bytes)
    return absl::DataLossError(absl::StrCat("image ", name, " has ", size, " bytes"));
  return image;
}

absl::StatusOr<std::unique_ptr<Image>> Image::OpenReadOnly(Cluster& cluster,
                                                           const std::string& name,
                                                           const std::string& snapshot) {
  std::unique_ptr<Image> image(new Image(name));
  image->patience_ = cluster.options().patience;
  const char* at = snapshot.empty() ? nullptr : snapshot.c_str();
  RETURN_IF_ERROR(
      CephStatus(rbd_open_read_only(cluster.io(), name.c_str(), &image->image_, at), name));
  RETURN_IF_ERROR(CephStatus(rbd_get_size(image->image_, &image->size_), name));
  return image;
}

absl::Status Image::CheckUnused(Cluster& cluster, const std::string& name) {
  // Read-only images are not among the watchers themselves.
  const absl::StatusOr<std::unique_ptr<Image>> image = OpenReadOnly(cluster, name, "");
  if (absl::IsNotFound(image.status())) return absl::OkStatus();
  RETURN_IF_ERROR(image);
  std::vector<rbd_image_watcher_t> watchers(64);
  std::size_t count = watchers.size();
  RETURN_IF_ERROR(CephStatus(rbd_watchers_list((*image)->image_, watchers.data(), &count), name));
  std::string who;
  for (std::size_t i = 0; i < count; ++i) absl::StrAppend(&who, " ", watchers[i].addr);
  rbd_watchers_list_cleanup(watchers.data(), count);
  if (who.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("image ", name, " is in use by", who));
}

absl::Status Image::Remove(Cluster& cluster, const std::string& name) {
  {
    std::unique_ptr<Image> image(new Image(name));
    const int code = rbd_open(cluster.io(), name.c_str(), &image->image_, nullptr);
    if (code == -ENOENT) return absl::OkStatus();
    RETURN_IF_ERROR(CephStatus(code, name));
    image->patience_ = cluster.options().patience;
    ASSIGN_OR_RETURN(const std::vector<std::string> snapshots, image->Snapshots());
    for (const std::string& snapshot : snapshots) RETURN_IF_ERROR(image->RemoveSnapshot(snapshot));
  }
  const int code = rbd_remove(cluster.io(), name.c_str());
  return code == -ENOENT ? absl::OkStatus() : CephStatus(code, name);
}

Image::~Image() {
  {
    // Each one ends: the cluster's answer or the time limit of an operation.
    absl::MutexLock lock(&mutex_);
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return under_way_.empty(); };
    mutex_.Await(absl::Condition(&idle));
  }
  if (image_ != nullptr) rbd_close(image_);
}

void Image::Done(rbd_completion_t completion, void* argument) {
  const std::unique_ptr<Begun> begun(static_cast<Begun*>(argument));
  const auto code = static_cast<int>(rbd_aio_get_return_value(completion));
  rbd_aio_release(completion);
  Image& image = *begun->image;
  absl::MutexLock lock(&image.mutex_);
  if (code < 0 && image.failed_.ok()) image.failed_ = CephStatus(code, image.name_);
  image.bytes_under_way_ -= begun->bytes.size();
  image.under_way_.erase(begun->offset);
}

absl::Status Image::AwaitRange(std::uint64_t offset, std::uint64_t end) {
  const auto free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto next = under_way_.lower_bound(offset);
    if (next != under_way_.end() && next->first < end) return false;
    return next == under_way_.begin() || std::prev(next)->second.end <= offset;
  };
  if (mutex_.AwaitWithTimeout(absl::Condition(&free), 2 * patience_)) return absl::OkStatus();
  return CephStatus(-ETIMEDOUT, name_);
}

// The cluster may do writes that are under way in any order: what overlaps waits.
absl::Status Image::Begin(std::uint64_t offset, std::uint64_t size, block::Bytes bytes) {
  if (size > size_ || offset > size_ - size)
    return absl::InternalError(absl::StrCat(name_, ": write behind the end"));
  auto begun = std::make_unique<Begun>(
      Begun{this, offset, size, std::vector<std::uint8_t>(bytes.begin(), bytes.end())});
  {
    absl::MutexLock lock(&mutex_);
    const auto room = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return under_way_.empty() || (under_way_.size() < kMaxWritesUnderWay &&
                                    bytes_under_way_ + bytes.size() <= kMaxBytesUnderWay);
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&room), 2 * patience_))
      return CephStatus(-ETIMEDOUT, name_);
    RETURN_IF_ERROR(AwaitRange(offset, offset + size));
    RETURN_IF_ERROR(failed_);
    under_way_[offset] = {offset + size, ++begun_};
    bytes_under_way_ += bytes.size();
  }
  rbd_completion_t completion = nullptr;
  int code = rbd_aio_create_completion(begun.get(), &Image::Done, &completion);
  if (code == 0) {
    const char* data = reinterpret_cast<const char*>(begun->bytes.data());
    code = bytes.empty() ? rbd_aio_write_zeroes(image_, offset, size, completion, 0, 0)
                         : rbd_aio_write(image_, offset, size, data, completion);
    if (code < 0) rbd_aio_release(completion);
  }
  if (code >= 0) {
    begun.release();  // Done() has it
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex_);
  under_way_.erase(offset);
  bytes_under_way_ -= bytes.size();
  if (failed_.ok()) failed_ = CephStatus(code, name_);
  return failed_;
}

absl::Status Image::Write(std::uint64_t offset, block::Bytes bytes) {
  return bytes.empty() ? absl::OkStatus() : Begin(offset, bytes.size(), bytes);
}

absl::Status Image::Zero(std::uint64_t offset, std::uint64_t size) {
  while (size > 0) {
    const std::uint64_t part = std::min(size, kMaxZeroBytes);
    RETURN_IF_ERROR(Begin(offset, part, {}));
    offset += part;
    size -= part;
  }
  return absl::OkStatus();
}

std::uint64_t Image::begun() const {
  absl::MutexLock lock(&mutex_);
  return begun_;
}

absl::Status Image::Await(std::uint64_t write) {
  absl::MutexLock lock(&mutex_);
  const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::all_of(under_way_.begin(), under_way_.end(),
                       [&](const auto& each) { return each.second.number > write; });
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&done), 2 * patience_))
    return CephStatus(-ETIMEDOUT, name_);
  return failed_;
}

absl::Status Image::Read(std::uint64_t offset, block::MutableBytes bytes) {
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(AwaitRange(offset, offset + bytes.size()));
    RETURN_IF_ERROR(failed_);
  }
  const ssize_t got = rbd_read(image_, offset, bytes.size(), reinterpret_cast<char*>(bytes.data()));
  RETURN_IF_ERROR(CephStatus(static_cast<int>(std::min<ssize_t>(got, 0)), name_));
  if (static_cast<std::size_t>(got) != bytes.size())
    return absl::DataLossError(absl::StrCat(name_, ": short read at ", offset));
  return absl::OkStatus();
}

absl::Status Image::Snapshot(const std::string& name) {
  return CephStatus(rbd_snap_create(image_, name.c_str()), absl::StrCat(name_, "@", name));
}

absl::Status Image::RemoveSnapshot(const std::string& name) {
  const int code = rbd_snap_remove(image_, name.c_str());
  return code == -ENOENT ? absl::OkStatus() : CephStatus(code, absl::StrCat(name_, "@", name));
}

absl::StatusOr<std::vector<std::string>> Image::Snapshots() const {
  int count = 64, code = -ERANGE;
  std::vector<rbd_snap_info_t> list;
  while (code == -ERANGE) {
    list.resize(static_cast<std::size_t>(count));
    code = rbd_snap_list(image_, list.data(), &count);
  }
  RETURN_IF_ERROR(CephStatus(code, name_));
  std::vector<std::string> names;
  for (int i = 0; i < code; ++i) names.emplace_back(list[static_cast<std::size_t>(i)].name);
  if (code > 0) rbd_snap_list_end(list.data());
  return names;
}

absl::StatusOr<bool> Image::MapIsWhole() const {
  std::uint64_t flags = 0;
  RETURN_IF_ERROR(CephStatus(rbd_get_flags(image_, &flags), name_));
  return (flags & (RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID)) == 0;
}

absl::Status Image::Diff(
    const std::string& snapshot,
    const std::function<void(std::uint64_t offset, std::uint64_t size)>& take) {
  using Take = std::function<void(std::uint64_t, std::uint64_t)>;
  const auto each = [](std::uint64_t offset, std::size_t size, int, void* argument) {
    (*static_cast<const Take*>(argument))(offset, size);
    return 0;
  };
  const char* from = snapshot.empty() ? nullptr : snapshot.c_str();
  return CephStatus(rbd_diff_iterate2(image_, from, 0, size_, /*include_parent=*/0,
                                      /*whole_object=*/0, each, const_cast<Take*>(&take)),
                    name_);
}

}  // namespace godwit::store::rbd
