// How QEMU and its tools open images of a staging store, encrypted or not. They want every image of
// a backing chain named, with what it is encrypted with, and the secret through a descriptor: it is
// never on a command line and never on a disk.
//
//   ASSIGN_OR_RETURN(const QemuImage image, QemuImage::Open(path, master_key_file));
//   command: image.SecretArguments("--object", fd), image.Url()
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/crypt/group_key.h"

namespace godwit::crypt {

// One image of a chain.
struct ChainImage {
  std::string path;
  std::string format;  // "qcow2" or "raw"
  bool encrypted = false;
  std::uint64_t size_bytes = 0;  // of the disk; 0 for raw
  std::string data_file;         // the clusters lie there; empty: in the image itself
};

// From `path` (qcow2) down to the image without a backing file; reads headers only.
// INVALID_ARGUMENT: not such a chain, or one that leaves the file system. DATA_LOSS: damaged.
absl::StatusOr<std::vector<ChainImage>> ReadChain(const std::string& path);

// Not thread-safe.
class QemuImage {
 public:
  // `master_key_file` may be empty, then an encrypted image is FAILED_PRECONDITION. The group's key
  // is the one in a folder of the image, or of one below it, or up to four folders above.
  // `secret_id` names the secret in QEMU.
  static absl::StatusOr<QemuImage> Open(const std::string& path, const std::string& master_key_file,
                                        std::string secret_id = "godwit");
  bool encrypted() const { return key_ != nullptr; }
  // Null: not encrypted.
  const GroupKeyPtr& key() const { return key_; }
  const std::vector<ChainImage>& chain() const { return chain_; }

  // The image as -blockdev wants it, without node name: JSON.
  std::string Blockdev() const;
  // The same as the file name of a tool of QEMU.
  std::string Url() const { return "json:" + Blockdev(); }
  // A file in memory with the passphrase, to be inherited by QEMU; kept open by this object until
  // it goes. -1: not encrypted.
  absl::StatusOr<int> SecretFd();
  // `option` ("-object", of tools "--object") and its value; empty: not encrypted. The descriptor
  // must have the same number in QEMU.
  absl::StatusOr<std::vector<std::string>> SecretArguments(const std::string& option);
  const std::string& secret_id() const { return secret_id_; }

 private:
  std::vector<ChainImage> chain_;
  std::string secret_id_;
  GroupKeyPtr key_;
  Fd secret_;
};

}  // namespace godwit::crypt
