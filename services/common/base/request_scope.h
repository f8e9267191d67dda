// The request that this thread works on: its id goes into every log line and every call that the
// thread makes meanwhile.
#pragma once

#include <string>

namespace godwit {

// While it lives, `id` is the request of this thread; then the one before is again. Nests.
class RequestScope {
 public:
  explicit RequestScope(std::string id);
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

 private:
  std::string before_;
};

// Empty: none.
const std::string& CurrentRequestId();

}  // namespace godwit
