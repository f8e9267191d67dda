// For servers of tests that have no registry: nobody is limited to a scope.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/common/rpc/scope.h"

namespace godwit::testing {

class NoScopes final : public rpc::ScopeSource {
 public:
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> Find(const std::string&,
                                                         const std::vector<std::string>&) override {
    return nullptr;
  }
};

}  // namespace godwit::testing
