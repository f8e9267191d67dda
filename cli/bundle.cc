#include "cli/bundle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/redact.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/version.h"
#include "services/common/image/files.h"

namespace godwit::cli {
namespace fs = std::filesystem;
namespace {

// A folder that goes away.
class WorkFolder {
 public:
  WorkFolder() : path_((fs::temp_directory_path() / "godwit-bundle-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~WorkFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

absl::Status WriteNew(const std::string& path, const std::string& bytes) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t wrote = write(fd.get(), bytes.data() + at, bytes.size() - at);
    if (wrote <= 0) return ErrnoStatus(path);
    at += static_cast<std::size_t>(wrote);
  }
  return fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoStatus(path);
}

}  // namespace

void Bundle::Add(const std::string& name, absl::string_view text) {
  if (texts_.size() >= kMostTexts || together_ >= kMostTogether) {
    missing_.push_back(absl::StrCat(name, ": the bundle is full"));
    return;
  }
  const std::size_t room = std::min(kMostBytes, kMostTogether - together_);
  // The newest of a log is at its end.
  const bool cut = text.size() > room;
  if (cut) text.remove_prefix(text.size() - room);
  Text kept{.name = name, .text = Redact(text), .cut = cut};
  together_ += kept.text.size();
  texts_.push_back(std::move(kept));
}

void Bundle::Add(const std::string& name, const absl::StatusOr<std::string>& text) {
  if (text.ok()) {
    Add(name, absl::string_view(*text));
  } else {
    missing_.push_back(absl::StrCat(name, ": ", Redact(text.status().ToString())));
  }
}

std::string Bundle::Manifest(const std::string& made) const {
  nlohmann::json files = nlohmann::json::array();
  for (const Text& text : texts_) {
    files.push_back({{"name", text.name}, {"bytes", text.text.size()}, {"cut", text.cut}});
  }
  const nlohmann::json manifest = {
      {"made", made}, {"version", Version()}, {"files", files}, {"missing", missing_}};
  return manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

absl::Status Bundle::Write(const std::string& path, const std::string& made) const {
  const WorkFolder folder;
  if (folder.path().empty()) return ErrnoStatus("a temporary folder");
  std::vector<std::string> files;
  const auto add = [&](const std::string& name, const std::string& text) {
    files.push_back(absl::StrCat(folder.path(), "/", name));
    return WriteFileAtomically(files.back(), text);
  };
  RETURN_IF_ERROR(add("manifest.json", Manifest(made)));
  for (const Text& text : texts_) RETURN_IF_ERROR(add(text.name, text.text));
  const std::string tar = absl::StrCat(folder.path(), "/all.tar");
  RETURN_IF_ERROR(image::WriteTar(files, tar));
  ASSIGN_OR_RETURN(const std::string plain, ReadFile(tar, 2 * kMostTogether));
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), /*level=*/3);
  if (ZSTD_isError(size) != 0) return absl::InternalError(ZSTD_getErrorName(size));
  packed.resize(size);
  return WriteNew(path, packed);
}

}  // namespace godwit::cli
