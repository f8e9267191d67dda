#include "services/registry/event_options.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

absl::Status InRange(absl::string_view option, absl::Duration value, absl::Duration least,
                     absl::Duration most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--", option, ": from ", absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
}

}  // namespace

void AddEventFlags(Flags& flags, EventOptions& options) {
  flags.Duration("event-retention", &options.retention, "how long events can be read again");
  flags.Int("event-limit", &options.most, 1000, 100'000'000, "most events that are kept");
  flags.Duration("webhook-timeout", &options.webhook_timeout, "of one delivery to a webhook");
  flags.Duration("webhook-retry-time", &options.webhook_retry_time,
                 "how long a delivery is tried before it is parked");
  flags.Strings("webhook-allow", &options.webhook_allow,
                "network (10.0.0.0/8) or address that webhooks may reach besides public ones");
  flags.Duration(
      "replication-event-hold", &options.told.hold,
      "how long a stall, a lost agent or the end of either is seen before an event says so");
  flags.Duration("replication-lag", &options.told.lag,
                 "an event tells of replication that lags more");
  flags.Duration("replication-lag-hold", &options.told.lag_hold, "for so long");
  flags.Duration("replication-silence", &options.told.silence,
                 "an agent that was not heard of for so long is lost");
}

absl::Status CheckToldLimits(const ToldLimits& limits) {
  const absl::Duration most = absl::Hours(24);
  RETURN_IF_ERROR(
      InRange("replication-event-hold", limits.hold, absl::ZeroDuration(), absl::Hours(1)));
  RETURN_IF_ERROR(InRange("replication-lag", limits.lag, absl::Seconds(1), most));
  RETURN_IF_ERROR(InRange("replication-lag-hold", limits.lag_hold, absl::ZeroDuration(), most));
  return InRange("replication-silence", limits.silence, absl::Seconds(15), most);
}

absl::StatusOr<WebhookSender::Options> WebhookOptionsOf(const EventOptions& options) {
  RETURN_IF_ERROR(
      InRange("event-retention", options.retention, absl::Minutes(1), absl::Hours(24 * 366)));
  RETURN_IF_ERROR(
      InRange("webhook-timeout", options.webhook_timeout, absl::Seconds(1), absl::Seconds(60)));
  RETURN_IF_ERROR(InRange("webhook-retry-time", options.webhook_retry_time, absl::Seconds(1),
                          absl::Hours(24 * 30)));
  std::vector<Network> allowed;
  for (const std::string& text : options.webhook_allow) {
    const absl::StatusOr<Network> network = ParseNetwork(text);
    RETURN_IF_ERROR(Annotate(network.status(), "--webhook-allow"));
    allowed.push_back(*network);
  }
  return WebhookSender::Options{.addresses = AddressPolicy(std::move(allowed)),
                                .timeout = options.webhook_timeout,
                                .retry_time = options.webhook_retry_time,
                                .retention = {.age = options.retention, .count = options.most}};
}

}  // namespace godwit::registry
