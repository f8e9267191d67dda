// The files of a TLS folder, looked at twice a second, as files in memory that are changed as a
// whole: key and certificate only when they belong together, the CA only when it can be read. So
// the order in which somebody replaces the files does not matter, nor that it takes a while.
#pragma once

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"
#include "services/common/rpc/channel.h"

namespace godwit::rpc {

class TlsFolder {
 public:
  // `tls` was loaded from the folder and is what it begins with.
  explicit TlsFolder(const TlsMaterial& tls);
  ~TlsFolder();
  // Certificates and key in one file.
  std::string identity_path() const { return identity_.Path(); }
  std::string ca_path() const { return ca_.Path(); }

 private:
  // A path of this process whose content is replaced at once; its time of change grows each time.
  class MemoryFile {
   public:
    explicit MemoryFile(const std::string& content);
    std::string Path() const;
    void Replace(const std::string& content);

   private:
    Fd Make(const std::string& content);
    Fd fd_;
    std::int64_t version_ = 0;
  };

  void Run();
  void Look();
  // Says in the log when the certificate nears its end, and when it has ended.
  void WatchLife();

  const std::string dir_;
  TlsMaterial present_;
  std::string refused_;  // what was logged last
  enum class Age { kGood, kDue, kEnded } age_ = Age::kGood;
  MemoryFile identity_, ca_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

// INVALID_ARGUMENT: the key does not belong to the first certificate, or one cannot be read.
absl::Status CheckPair(const std::string& certificate_pem, const std::string& key_pem);

}  // namespace godwit::rpc
