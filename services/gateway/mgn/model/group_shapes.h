// Structures of applications and waves.
#pragma once

#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

inline constexpr Member kApplicationAggregatedStatusMembers[] = {
    {"lastUpdateDateTime", &kTime},
    {"healthStatus", &kApplicationHealthStatus},
    {"progressStatus", &kApplicationProgressStatus},
    {"totalSourceServers", &kInteger<0, kNone>},
};
inline constexpr Shape kApplicationAggregatedStatus =
    Structure(kApplicationAggregatedStatusMembers);

inline constexpr Member kApplicationMembers[] = {
    {"applicationID", &kApplicationId},
    {"arn", &kArn},
    {"name", &kString<1, 256, kNoBlankEnds>},
    {"description", &kString<0, 600, kNoNul>},
    {"isArchived", &kBool},
    {"applicationAggregatedStatus", &kApplicationAggregatedStatus},
    {"creationDateTime", &kTime},
    {"lastModifiedDateTime", &kTime},
    {"tags", &kTagsMap},
    {"waveID", &kWaveId},
};
inline constexpr Shape kApplication = Structure(kApplicationMembers);

inline constexpr Member kListApplicationsRequestFiltersMembers[] = {
    {"applicationIDs", &kList<kApplicationId, 0, 200>},
    {"isArchived", &kBool},
    {"waveIDs", &kList<kWaveId, 0, 200>},
};
inline constexpr Shape kListApplicationsRequestFilters =
    Structure(kListApplicationsRequestFiltersMembers);

inline constexpr Member kWaveAggregatedStatusMembers[] = {
    {"lastUpdateDateTime", &kTime},
    {"replicationStartedDateTime", &kTime},
    {"healthStatus", &kWaveHealthStatus},
    {"progressStatus", &kWaveProgressStatus},
    {"totalApplications", &kInteger<0, kNone>},
};
inline constexpr Shape kWaveAggregatedStatus = Structure(kWaveAggregatedStatusMembers);

inline constexpr Member kWaveMembers[] = {
    {"waveID", &kWaveId},
    {"arn", &kArn},
    {"name", &kString<1, 256, kNoBlankEnds>},
    {"description", &kString<0, 600, kNoNul>},
    {"isArchived", &kBool},
    {"waveAggregatedStatus", &kWaveAggregatedStatus},
    {"creationDateTime", &kTime},
    {"lastModifiedDateTime", &kTime},
    {"tags", &kTagsMap},
};
inline constexpr Shape kWave = Structure(kWaveMembers);

inline constexpr Member kListWavesRequestFiltersMembers[] = {
    {"waveIDs", &kList<kWaveId, 0, 200>},
    {"isArchived", &kBool},
};
inline constexpr Shape kListWavesRequestFilters = Structure(kListWavesRequestFiltersMembers);

}  // namespace godwit::gateway::mgn
