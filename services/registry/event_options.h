// The options of godwit-registry about events and webhooks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/flags.h"
#include "services/registry/clients/webhook_sender.h"
#include "services/registry/domain/replication_told.h"

namespace godwit::registry {

struct EventOptions {
  absl::Duration retention = absl::Hours(24 * 7);
  std::int64_t most = 1'000'000;
  absl::Duration webhook_timeout = absl::Seconds(10);
  absl::Duration webhook_retry_time = absl::Hours(24);
  std::vector<std::string> webhook_allow;
  ToldLimits told;
};

// `options` must outlive the parsing.
void AddEventFlags(Flags& flags, EventOptions& options);
// Both: INVALID_ARGUMENT names the option.
absl::Status CheckToldLimits(const ToldLimits& limits);
absl::StatusOr<WebhookSender::Options> WebhookOptionsOf(const EventOptions& options);

}  // namespace godwit::registry
