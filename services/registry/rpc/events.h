// Events between domain values and messages; checks of what requests say about them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "godwit/registry/v1/event.pb.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/event.h"
#include "services/registry/storage/event_store.h"

namespace godwit::registry {

// `stream` goes into its token.
godwit::registry::v1::Event ToProto(const EventRecord& event, const std::string& stream);

// INVALID_ARGUMENT names the field with `prefix` before it ("filter.types[2]").
absl::StatusOr<EventFilter> FilterOf(const std::string& prefix,
                                     const godwit::registry::v1::EventFilter& filter);

// INVALID_ARGUMENT names `since`.
absl::StatusOr<EventToken> SinceOf(const std::string& since);

// The error of CheckEventToken as callers get it: with reason EVENTS_GONE.
absl::Status CheckSince(const EventToken& token, const EventLook& look);

}  // namespace godwit::registry
