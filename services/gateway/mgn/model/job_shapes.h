// Structures of jobs.
#pragma once

#include "services/gateway/mgn/model/settings_shapes.h"

namespace godwit::gateway::mgn {

inline constexpr Member kJobPostLaunchActionsLaunchStatusMembers[] = {
    {"ssmDocument", &kSsmDocument},      {"ssmDocumentType", &kSsmDocumentType},
    {"executionID", &kString<0, 256>},   {"executionStatus", &kPostLaunchActionExecutionStatus},
    {"failureReason", &kString<0, 256>},
};
inline constexpr Shape kJobPostLaunchActionsLaunchStatus =
    Structure(kJobPostLaunchActionsLaunchStatusMembers);

inline constexpr Member kPostLaunchActionsStatusMembers[] = {
    {"ssmAgentDiscoveryDatetime", &kTime},
    {"postLaunchActionsLaunchStatusList", &kList<kJobPostLaunchActionsLaunchStatus, kNone, kNone>},
};
inline constexpr Shape kPostLaunchActionsStatus = Structure(kPostLaunchActionsStatusMembers);

inline constexpr Member kParticipatingServerMembers[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"launchStatus", &kLaunchStatus},
    {"launchedEc2InstanceID", &kString<0, 255, kInstancePattern>},
    {"postLaunchActionsStatus", &kPostLaunchActionsStatus},
};
inline constexpr Shape kParticipatingServer = Structure(kParticipatingServerMembers);

inline constexpr Member kJobMembers[] = {
    {"jobID", &kJobId, kRequired},
    {"arn", &kArn},
    {"type", &kJobType},
    {"initiatedBy", &kInitiatedBy},
    {"creationDateTime", &kTime},
    {"endDateTime", &kTime},
    {"status", &kJobStatus},
    {"participatingServers", &kList<kParticipatingServer, kNone, kNone>},
    {"tags", &kTagsMap},
};
inline constexpr Shape kJob = Structure(kJobMembers);

inline constexpr Member kDescribeJobsRequestFiltersMembers[] = {
    {"jobIDs", &kList<kJobId, 0, 1000>},
    {"fromDate", &kTime},
    {"toDate", &kTime},
};
inline constexpr Shape kDescribeJobsRequestFilters = Structure(kDescribeJobsRequestFiltersMembers);

inline constexpr Member kJobLogEventDataMembers[] = {
    {"sourceServerID", &kServerId},
    {"conversionServerID", &kString<0, 255, kInstancePattern>},
    {"targetInstanceID", &kString<0, 255, kInstancePattern>},
    {"rawError", &kString<0, 65536>},
    {"attemptCount", &kInteger<1, kNone>, kNewer},
    {"maxAttemptsCount", &kInteger<1, kNone>, kNewer},
};
inline constexpr Shape kJobLogEventData = Structure(kJobLogEventDataMembers);

inline constexpr Member kJobLogMembers[] = {
    {"logDateTime", &kTime},
    {"event", &kJobLogEvent},
    {"eventData", &kJobLogEventData},
};
inline constexpr Shape kJobLog = Structure(kJobLogMembers);

}  // namespace godwit::gateway::mgn
