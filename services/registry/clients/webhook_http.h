// One HTTP POST to a receiver that is not trusted: the address is checked where it is connected to
// (a name may lead elsewhere each time), redirects are not followed, proxies not used, certificates
// verified, everything is bounded in time and size. Thread-safe.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/registry/domain/address_policy.h"

namespace godwit::registry {

// INVALID_ARGUMENT: neither https:// nor http:// to a loopback address, with a user or a fragment,
// or to an address that the policy forbids (names are looked up only when they are connected to).
absl::Status CheckWebhookUrl(const std::string& url, const AddressPolicy& policy);
// INVALID_ARGUMENT: not PEM certificates and nothing else that matters.
absl::Status CheckCaPem(const std::string& pem);

struct HttpPost {
  std::string url;
  std::string ca_pem;                // empty: the system's CAs
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  absl::Duration timeout;  // of all of it
};

struct HttpAnswer {
  int status = 0;        // 0: none
  std::string error;     // empty: a status from 200 to 299. Never has text of the receiver
  bool stopped = false;  // `stop` ended it; what the receiver did is not known
  absl::Duration took;
  bool ok() const { return error.empty(); }
};

// Ends soon after `stop` becomes true.
HttpAnswer PostToWebhook(const HttpPost& post, const AddressPolicy& policy,
                         const std::atomic<bool>& stop);

}  // namespace godwit::registry
