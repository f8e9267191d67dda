// Replication, points and workers as people read them.
#pragma once

#include <iosfwd>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "godwit/replication/v1/replication.pb.h"
#include "godwit/replication/v1/replication_service.pb.h"

namespace godwit::cli {

// "sourceServers/s-1" of "sourceServers/s-1/replication" (and of names of points).
std::string ServerOf(absl::string_view name);
// Replicated share of all disks, -1 when they are not known.
double InitialSyncFraction(const replication::v1::Replication& replication);
// "INITIAL_SYNC: 1.2 GiB of 4.0 GiB, 80 MiB/s, 45s left": what a state shows while it lasts.
std::string ReplicationFigures(const replication::v1::Replication& replication, absl::Time now);

// `hosts`: host names by server name.
void PrintReplications(const replication::v1::ListReplicationsResponse& list,
                       const std::map<std::string, std::string>& hosts, absl::Time now,
                       std::ostream& out);
void PrintReplication(const replication::v1::Replication& replication, absl::Time now,
                      std::ostream& out);
std::string ReplicationLine(const replication::v1::Replication& replication, absl::Time now);
void PrintPoints(const replication::v1::ListPointsResponse& list, std::ostream& out);
void PrintPoint(const replication::v1::Point& point, std::ostream& out);
void PrintWorkers(const replication::v1::ListWorkersResponse& list, absl::Time now,
                  std::ostream& out);

}  // namespace godwit::cli
