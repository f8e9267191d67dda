// The server's certificate, read again when its files change.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace boost::asio::ssl {
class context;
}

namespace godwit::gateway {

// Thread-safe.
class TlsContexts {
 public:
  // TLS 1.2 and 1.3. An error says which file is wrong.
  static absl::StatusOr<std::unique_ptr<TlsContexts>> Load(const std::string& certificate_file,
                                                           const std::string& key_file);
  // For a new connection, which keeps it.
  std::shared_ptr<boost::asio::ssl::context> Current() const;
  // Reads the files again when one of them changed since. True: there is a new certificate. When
  // the new files are no good pair the old certificate stays.
  absl::StatusOr<bool> Refresh();

 private:
  using Times = std::pair<std::filesystem::file_time_type, std::filesystem::file_time_type>;
  TlsContexts(std::string certificate_file, std::string key_file);
  Times Modified() const;

  const std::string certificate_file_, key_file_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> current_ ABSL_GUARDED_BY(mutex_);
  Times read_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::gateway
