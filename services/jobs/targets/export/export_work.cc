#include "services/jobs/targets/export/export_work.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"
#include "services/common/image/appliance.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/export/description.h"

namespace godwit::jobs {
namespace {

namespace fs = std::filesystem;

// Names of files that are not part of the export begin with this.
constexpr char kPartial[] = ".partial-";
constexpr char kWorkLock[] = ".work-";

class Writer {
 public:
  Writer(const ExportWork& work, ExportState state)
      : work_(work), format_(*image::FindImageFormat(work.spec.export_format)), state_(state) {}

  absl::Status Run() {
    RETURN_IF_ERROR(LookAtDisks());
    if (!ova() || state_.Find(Archive()) == nullptr) {
      RETURN_IF_ERROR(CheckSpace());
      for (std::size_t i = 0; i < disks_.size(); ++i) RETURN_IF_ERROR(WriteDisk(i));
      if (ova()) RETURN_IF_ERROR(WriteArchive());
    }
    if (ova()) RemoveMembers();
    return Complete();
  }

 private:
  bool ova() const { return work_.spec.export_format == "ova"; }
  std::string Path(const std::string& name) const { return absl::StrCat(work_.dir, "/", name); }
  std::string Partial(const std::string& name) const {
    return Path(absl::StrCat(kPartial, work_.spec.epoch, "-", name));
  }
  std::string Archive() const { return absl::StrCat(FileStem(work_.spec), ".ova"); }

  absl::Status LookAtDisks() {
    for (std::size_t i = 0; i < work_.spec.disks.size(); ++i) {
      const std::string& from = work_.spec.disks[i].path;
      ASSIGN_OR_RETURN(const auto chain, crypt::ReadChain(from));
      disks_.push_back({.file = absl::StrCat("disk", i, ".", format_.suffix),
                        .size_bytes = static_cast<std::int64_t>(chain.front().size_bytes)});
      total_bytes_ += disks_.back().size_bytes;
    }
    return absl::OkStatus();
  }

  // What is not there yet must fit.
  absl::Status CheckSpace() {
    std::int64_t needed = 0;
    for (std::size_t i = 0; i < disks_.size(); ++i) {
      const ExportedFile* const done = state_.Find(disks_[i].file);
      std::int64_t bytes = done == nullptr ? 0 : done->file_bytes;
      if (done == nullptr) {
        ASSIGN_OR_RETURN(bytes, image::BytesNeeded(work_.spec.disks[i].path, work_.image));
        needed += bytes;
      }
      if (ova()) needed += bytes;  // images and archive are there at the same time
    }
    struct statvfs info {};
    if (statvfs(work_.dir.c_str(), &info) != 0) return ErrnoStatus(work_.dir);
    needed_bytes_ = needed;
    const auto free = static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
    return needed <= free ? absl::OkStatus() : NoSpace();
  }
  absl::Status NoSpace() const {
    struct statvfs info {};
    statvfs(work_.dir.c_str(), &info);
    return absl::FailedPreconditionError(absl::StrCat(
        "NO_SPACE: the export needs up to ", needed_bytes_, " bytes in ",
        fs::path(work_.dir).parent_path().string(), ", ", info.f_bavail * info.f_frsize,
        " are free; make room or choose another --export-dir, and launch again"));
  }
  // An error of writing; no space is one that a later attempt would only meet again.
  absl::Status Explain(const absl::Status& status) const {
    return absl::IsResourceExhausted(status) ? NoSpace() : status;
  }

  void Show(const std::string& what, std::int64_t done) const {
    if (work_.progress) work_.progress(what, done, total_bytes_);
  }

  absl::Status WriteDisk(std::size_t index) {
    const ExportedDisk& disk = disks_[index];
    if (state_.Find(disk.file) == nullptr) {
      const std::string partial = Partial(disk.file);
      image::CopyOptions options = work_.image;
      options.progress = [&](double part) {
        Show(absl::StrCat("writing and comparing ", disk.file),
             done_bytes_ + static_cast<std::int64_t>(part * static_cast<double>(disk.size_bytes)));
      };
      Show(absl::StrCat("writing and comparing ", disk.file), done_bytes_);
      GODWIT_FAILPOINT("jobs.export.image");
      RETURN_IF_ERROR(
          Explain(image::ExportImage(work_.spec.disks[index].path, partial, format_, options)));
      RETURN_IF_ERROR(Keep(disk.file));
    }
    done_bytes_ += disk.size_bytes;
    return absl::OkStatus();
  }

  absl::Status WriteArchive() {
    Show(absl::StrCat("packing ", Archive()), done_bytes_);
    RETURN_IF_ERROR(Explain(image::PackAppliance(work_.dir, OvfOf(work_.spec, disks_),
                                                 Partial(Archive()), work_.image.check)));
    return Keep(Archive());
  }

  // Makes a partial file durable and gives it its name.
  absl::Status Keep(const std::string& name) {
    const std::string partial = Partial(name);
    const Fd file(open(partial.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!file.valid() || fstat(file.get(), &info) != 0) return Fenced(partial);
    if (fsync(file.get()) != 0) return Explain(ErrnoStatus(partial));
    ExportedFile done{.name = name, .file_bytes = info.st_size};
    ASSIGN_OR_RETURN(done.sha256, image::Sha256OfFile(partial, work_.image.check));
    if (work_.image.check) RETURN_IF_ERROR(work_.image.check());
    GODWIT_FAILPOINT("jobs.export.rename.before");
    ASSIGN_OR_RETURN(state_, work_.commit([&](ExportState& state) -> absl::Status {
      if (rename(partial.c_str(), Path(name).c_str()) != 0) return Fenced(partial);
      RETURN_IF_ERROR(SyncDir(work_.dir));
      state.files.push_back(done);
      return absl::OkStatus();
    }));
    GODWIT_FAILPOINT("jobs.export.rename.after");
    return absl::OkStatus();
  }
  // A partial file that is gone was taken away by a newer lease.
  static absl::Status Fenced(const std::string& partial) {
    return errno == ENOENT ? LostLease() : ErrnoStatus(partial);
  }

  // The images are in the archive.
  void RemoveMembers() {
    for (const ExportedDisk& disk : disks_) unlink(Path(disk.file).c_str());
    unlink(Path(absl::StrCat(FileStem(work_.spec), ".mf")).c_str());
  }

  absl::Status Complete() {
    Show("complete", total_bytes_);
    const auto done = work_.commit([&](ExportState& state) -> absl::Status {
      if (ova()) {
        std::erase_if(state.files, [&](const auto& file) { return file.name != Archive(); });
      }
      RETURN_IF_ERROR(WriteFileAtomically(Path(kDescriptionFile),
                                          DescribeExport(work_.spec, disks_, state.files), 0644));
      RETURN_IF_ERROR(WriteFileAtomically(Path(kSumsFile), SumsOf(state.files), 0644));
      unlink(Path(absl::StrCat(kWorkLock, work_.spec.epoch)).c_str());
      state.complete = true;
      return absl::OkStatus();
    });
    return Explain(done.status());
  }

  const ExportWork& work_;
  const image::ImageFormat& format_;
  ExportState state_;
  std::vector<ExportedDisk> disks_;
  std::int64_t total_bytes_ = 0, done_bytes_ = 0, needed_bytes_ = 0;
};

}  // namespace

absl::Status WriteExport(const ExportWork& work, ExportState state) {
  return Writer(work, std::move(state)).Run();
}

absl::StatusOr<Fd> TryWorkLock(const std::string& dir, std::int64_t epoch) {
  const std::string path = absl::StrCat(dir, "/", kWorkLock, epoch);
  Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return ErrnoStatus(path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return absl::UnavailableError("the machine's files are being written by another call");
  return lock;
}

void RemoveHalfDone(const std::string& dir, std::int64_t epoch) {
  const std::string own_lock = absl::StrCat(kWorkLock, epoch);
  const std::string own_files = absl::StrCat(kPartial, epoch, "-");
  std::error_code error;
  std::vector<fs::path> gone;
  for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool lock = absl::StartsWith(name, kWorkLock) && name != own_lock;
    const bool file = absl::StartsWith(name, kPartial) && !absl::StartsWith(name, own_files);
    if (lock || file) gone.push_back(entry->path());
  }
  for (const fs::path& path : gone) fs::remove(path, error);
}

}  // namespace godwit::jobs
