#include "services/common/base/request_scope.h"

#include <utility>

namespace godwit {
namespace {

std::string& Current() {
  thread_local std::string id;
  return id;
}

}  // namespace

RequestScope::RequestScope(std::string id) : before_(std::exchange(Current(), std::move(id))) {}
RequestScope::~RequestScope() { Current() = std::move(before_); }

const std::string& CurrentRequestId() { return Current(); }

}  // namespace godwit
