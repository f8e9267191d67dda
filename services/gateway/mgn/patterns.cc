#include "services/gateway/mgn/patterns.h"

#include <re2/re2.h>

#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/check.h"

namespace godwit::gateway::mgn {
namespace {

ABSL_CONST_INIT absl::Mutex mutex(absl::kConstInit);

// Never more than the tables have patterns.
const re2::RE2& Compiled(const char* pattern) {
  static auto* const all = new std::map<const char*, std::unique_ptr<re2::RE2>>();
  absl::MutexLock lock(&mutex);
  std::unique_ptr<re2::RE2>& found = (*all)[pattern];
  if (found == nullptr) {
    found = std::make_unique<re2::RE2>(pattern);
    GODWIT_CHECK(found->ok());
  }
  return *found;
}

}  // namespace

bool FullMatch(const char* pattern, absl::string_view text) {
  return re2::RE2::FullMatch({text.data(), text.size()}, Compiled(pattern));
}

}  // namespace godwit::gateway::mgn
