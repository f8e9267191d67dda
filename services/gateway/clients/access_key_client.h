// Signing keys from the registry.
#pragma once

#include <memory>
#include <string>

#include "services/gateway/sigv4/verify.h"

namespace grpc {
class Channel;
}

namespace godwit::gateway {

// Thread-safe.
class AccessKeyClient final : public sigv4::KeySource {
 public:
  explicit AccessKeyClient(std::shared_ptr<grpc::Channel> registry);
  absl::StatusOr<sigv4::SigningKey> Get(const sigv4::Authorization& authorization,
                                        const std::string& request_id) override;

 private:
  const std::shared_ptr<grpc::Channel> registry_;
};

}  // namespace godwit::gateway
