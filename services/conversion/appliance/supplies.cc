#include "services/conversion/appliance/supplies.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/volumes.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{1} << 30;
constexpr std::size_t kMaxFiles = 20000;
constexpr int kMaxDepth = 8;

bool IsOfDriver(const fs::path& path) {
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  for (const char* known : {".inf", ".sys", ".cat", ".dll", ".exe", ".bin"}) {
    if (extension == known) return true;
  }
  return false;
}

struct Total {
  std::uintmax_t bytes = 0;
  std::size_t files = 0;
};

// Regular files only; links are not followed.
absl::Status CopyTree(const std::string& from, const fs::path& to, bool drivers, Total* total) {
  std::error_code error;
  if (!fs::is_directory(from, error)) {
    return absl::InvalidArgumentError(absl::StrCat(from, ": there is no such folder"));
  }
  fs::create_directories(to, error);
  fs::recursive_directory_iterator entry(from, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (entry.depth() > kMaxDepth) entry.disable_recursion_pending();
    if (entry->is_symlink(error) || !entry->is_regular_file(error)) continue;
    if (drivers && !IsOfDriver(entry->path())) continue;
    total->bytes += entry->file_size(error);
    if (total->bytes > kMaxBytes || ++total->files > kMaxFiles) {
      return absl::ResourceExhaustedError(
          absl::StrCat(from, ": more than 1 GiB or 20000 files for Windows guests"));
    }
    const fs::path target = to / entry->path().lexically_relative(from);
    fs::create_directories(target.parent_path(), error);
    if (!fs::copy_file(entry->path(), target, error)) break;
  }
  return error ? absl::InternalError(absl::StrCat(from, ": ", error.message())) : absl::OkStatus();
}

}  // namespace

absl::Status MakeSupplies(const SuppliesOptions& options, const std::string& work_folder,
                          const std::string& image) {
  const fs::path staged = absl::StrCat(work_folder, "/supplies-", getpid());
  const absl::Cleanup remove = [&] {
    std::error_code error;
    fs::remove_all(staged, error);
  };
  RETURN_IF_ERROR(MakeDirs(staged.string(), 0700));
  Total total;
  if (!options.drivers.empty()) {
    RETURN_IF_ERROR(CopyTree(options.drivers, staged / "drivers", /*drivers=*/true, &total));
  }
  if (!options.scripts.empty()) {
    RETURN_IF_ERROR(CopyTree(options.scripts, staged / "firstboot", /*drivers=*/false, &total));
  }
  // Room for the files, each rounded up, and for the tables.
  const std::uintmax_t bytes =
      (total.bytes + total.files * 8192 + (std::uintmax_t{8} << 20)) * 11 / 10 / 4096 * 4096;
  const std::string part = image + ".part";
  const Fd file(open(part.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    return ErrnoStatus(part);
  }
  ASSIGN_OR_RETURN(
      const int code,
      convert::RunTool({"/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0",
                        "-N", absl::StrCat(2 * total.files + 1000), "-d", staged.string(), part}));
  if (code != 0) {
    return absl::InternalError(absl::StrCat("mke2fs ended with ", code, " for ", image));
  }
  std::error_code error;
  fs::rename(part, image, error);
  return error ? absl::InternalError(absl::StrCat(image, ": ", error.message())) : absl::OkStatus();
}

}  // namespace godwit::conversion
