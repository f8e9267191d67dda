// Opening a connection of libpq within the time that is there, host after host. libpq's own
// connect_timeout knows no less than two seconds, and counts anew for every address.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::pg {

using Handle = std::unique_ptr<PGconn, void (*)(PGconn*)>;

// Tries the hosts of `conninfo` one after another, and the addresses of each, until a session is
// open. Each gets 5 s, or its equal share of what the thread has (DeadlineScope). Names are looked
// up by this host's resolver, whose limits are its own. `options`: for the server, as "-c a=b -c
// c=d". A connect_timeout in `conninfo` counts for nothing. UNAVAILABLE: nobody could be reached,
// and why; DEADLINE_EXCEEDED: the thread's time ended before. Thread-safe.
absl::StatusOr<Handle> Connect(const std::string& conninfo, const std::string& options);

}  // namespace godwit::pg
