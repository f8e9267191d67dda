// Jobs and their log as the MGN API shows them.
#pragma once

#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"

namespace godwit::jobs::v1 {
class Job;
class JobLogItem;
}  // namespace godwit::jobs::v1

namespace godwit::gateway::mgn {

// Whether MGN has jobs of this kind: launches and removals. Verifications, exports, preflights and
// clean-ups are ours.
bool IsMgnJob(const jobs::v1::Job& job);
nlohmann::json JobJson(const jobs::v1::Job& job, const Place& place);

// Null for an event that MGN has no word for.
nlohmann::json JobLogJson(const jobs::v1::JobLogItem& item);

}  // namespace godwit::gateway::mgn
