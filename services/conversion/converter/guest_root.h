// The guest's file tree. Every path is resolved inside of it (openat2 RESOLVE_IN_ROOT), so a
// hostile symlink leads nowhere else; every read is bounded; every change keeps the file before it
// as "<path>.pre-migration" (hidden where a system would take it for configuration) and is
// recorded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/conversion/converter/windows/registry_edit.h"

struct stat;

namespace godwit::convert {

// One edit, as protos/godwit/conversion/v1/conversion_service.proto has it.
struct Change {
  std::string step, path, before_sha256, after_sha256, summary;
  std::optional<windows::RegistryEdit> registry;  // of a hive, instead of the hashes
  // Where: "" the file tree, "esp" the EFI system partition, "disk" sectors of the boot disk.
  std::string volume;
  // Path of what was there before; of sectors their bytes, hex. Empty: nothing, or not kept.
  std::string kept;
};

// Not thread-safe.
class GuestRoot {
 public:
  static absl::StatusOr<GuestRoot> Open(const std::string& folder);

  // NOT_FOUND, or RESOURCE_EXHAUSTED when it is larger than `max_bytes`.
  absl::StatusOr<std::string> Read(const std::string& path,
                                   std::size_t max_bytes = 16u << 20) const;
  bool Exists(const std::string& path) const;
  bool IsSymlink(const std::string& path) const;
  // Where a symlink points to, as it is written; "" when `path` is none.
  std::string ReadLink(const std::string& path) const;
  // Names in a folder, sorted; empty when there is no such folder. At most 10000.
  std::vector<std::string> List(const std::string& path) const;
  // Where a folder really is, symlinks resolved inside of the tree; for mount(2), which follows
  // them outside.
  absl::StatusOr<std::string> PathOfFolder(const std::string& path) const;
  absl::StatusOr<std::int64_t> FreeBytes(const std::string& path) const;

  // Replaces or creates; nothing happens when the content is the same already. Owner, mode and
  // extended attributes stay (a new file: `mode`, root, and the SELinux label of its folder).
  // `keep` false: no copy of the file before is kept.
  absl::Status Write(const std::string& step, const std::string& path, const std::string& content,
                     const std::string& summary, bool keep = true, unsigned mode = 0644);
  // A symlink, where nothing is yet.
  absl::Status Link(const std::string& step, const std::string& path, const std::string& target,
                    const std::string& summary);
  // What something else than this object did to the tree.
  void Record(Change change) { changes_.push_back(std::move(change)); }
  // Also when there is none.
  absl::Status Remove(const std::string& step, const std::string& path, const std::string& summary);
  // Extended attributes, at most 64 KiB. "" when there is none; setting one that the file system
  // does not have is no error.
  std::string Attribute(const std::string& path, const std::string& name) const;
  absl::Status SetAttribute(const std::string& path, const std::string& name,
                            const std::string& value) const;
  const std::vector<Change>& changes() const { return changes_; }
  // Replaces or creates without a record and without a copy: for what the conversion keeps itself.
  absl::Status Put(const std::string& path, const std::string& content, unsigned mode);
  absl::Status MakeFolderOf(const std::string& path) const;
  // Renames inside one volume, in place of what is there; NOT_FOUND.
  absl::Status Rename(const std::string& from, const std::string& to);
  // Removes a file, or a folder that is empty. NOT_FOUND; FAILED_PRECONDITION: not empty.
  absl::Status Unlink(const std::string& path);
  // Where Write keeps the file before.
  static std::string KeptPath(const std::string& path);
  // Folders that were made, outermost first.
  const std::vector<std::string>& made_folders() const { return made_folders_; }
  // Plan only: changes are recorded and not made.
  void SetDryRun() { dry_run_ = true; }
  // The folder itself, for those who must mount it.
  int fd() const { return root_.get(); }

 private:
  explicit GuestRoot(Fd root) : root_(std::move(root)) {}
  absl::StatusOr<Fd> OpenAt(const std::string& path, int flags, unsigned mode = 0) const;
  // The folder of a path and its last name.
  absl::StatusOr<std::pair<Fd, std::string>> Parent(const std::string& path, bool make) const;
  // Writes beside, then takes the place. `info`: owner and mode, or null for root and 0644.
  absl::Status Replace(int folder, const std::string& name, const std::string& path,
                       const std::string& content, unsigned mode, const struct stat* info);
  absl::Status RemoveTree(int folder, const std::string& name, int depth);

  Fd root_;
  bool dry_run_ = false;
  std::vector<Change> changes_;
  mutable std::vector<std::string> made_folders_;
};

std::string Sha256Hex(const std::string& text);

}  // namespace godwit::convert
