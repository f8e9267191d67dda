// Launches again for those servers of a job that did not get there.
#pragma once

#include "absl/status/status.h"
#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "services/registry/clients/outbox_sender.h"

namespace godwit::registry {

// Puts the names of the servers that failed or were cancelled in job `failed_of` into `request`.
// INVALID_ARGUMENT: names are given too, or the job is of another kind than `type`.
// FAILED_PRECONDITION: none of its servers failed. NOT_FOUND: there is no such job. UNAVAILABLE:
// the job service cannot be asked now.
absl::Status NameFailedServers(OutboxSender& sender, godwit::jobs::v1::Job::Type type,
                               godwit::registry::v1::StartLaunchRequest* request);

}  // namespace godwit::registry
