// Structures of source servers.
#pragma once

#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

inline constexpr Member kDescribeSourceServersRequestFiltersMembers[] = {
    {"sourceServerIDs", &kList<kServerId, 0, 200>},
    {"isArchived", &kBool},
    {"replicationTypes", &kList<kReplicationType, 0, 2>},
    {"lifeCycleStates", &kList<kLifeCycleState, 0, 10>},
    {"applicationIDs", &kList<kApplicationId, 0, 200>},
};
inline constexpr Shape kDescribeSourceServersRequestFilters =
    Structure(kDescribeSourceServersRequestFiltersMembers);

inline constexpr Member kLastKnownCheckMembers[] = {
    {"type", &kLastKnownCheckType}, {"name", &kString<0, 256>}, {"status", &kLastKnownCheckStatus},
    {"error", &kString<0, 256>},    {"checkedAt", &kEpochTime},
};
inline constexpr Shape kLastKnownCheck = Structure(kLastKnownCheckMembers);

inline constexpr Member kLaunchedInstanceMembers[] = {
    {"ec2InstanceID", &kString<0, 255, kInstancePattern>},
    {"jobID", &kJobId},
    {"firstBoot", &kFirstBoot},
    {"lastKnownChecks", &kList<kLastKnownCheck, 0, 10>, kNewer},
    {"lastKnownFsxChecksStatus", &kLastKnownCheckStatus, kNewer},
};
inline constexpr Shape kLaunchedInstance = Structure(kLaunchedInstanceMembers);

inline constexpr Member kDataReplicationInfoReplicatedDiskMembers[] = {
    {"deviceName", &kString<0, 256>},
    {"totalStorageBytes", &kInteger<0, kNone>},
    {"replicatedStorageBytes", &kInteger<0, kNone>},
    {"rescannedStorageBytes", &kInteger<0, kNone>},
    {"backloggedStorageBytes", &kInteger<0, kNone>},
};
inline constexpr Shape kDataReplicationInfoReplicatedDisk =
    Structure(kDataReplicationInfoReplicatedDiskMembers);

inline constexpr Member kDataReplicationInitiationStepMembers[] = {
    {"name", &kDataReplicationInitiationStepName},
    {"status", &kDataReplicationInitiationStepStatus},
};
inline constexpr Shape kDataReplicationInitiationStep =
    Structure(kDataReplicationInitiationStepMembers);

inline constexpr Member kDataReplicationInitiationMembers[] = {
    {"startDateTime", &kTime},
    {"nextAttemptDateTime", &kTime},
    {"steps", &kList<kDataReplicationInitiationStep, kNone, kNone>},
};
inline constexpr Shape kDataReplicationInitiation = Structure(kDataReplicationInitiationMembers);

inline constexpr Member kDataReplicationErrorMembers[] = {
    {"error", &kDataReplicationErrorString},
    {"rawError", &kString<0, 65536>},
};
inline constexpr Shape kDataReplicationError = Structure(kDataReplicationErrorMembers);

inline constexpr Member kDataReplicationInfoMembers[] = {
    {"lagDuration", &kDuration},
    {"etaDateTime", &kTime},
    {"replicatedDisks", &kList<kDataReplicationInfoReplicatedDisk, 0, 60>},
    {"dataReplicationState", &kDataReplicationState},
    {"dataReplicationInitiation", &kDataReplicationInitiation},
    {"dataReplicationError", &kDataReplicationError},
    {"lastSnapshotDateTime", &kTime},
    {"replicatorId", &kString<19, 19, kReplicatorPattern>, kNewer},
};
inline constexpr Shape kDataReplicationInfo = Structure(kDataReplicationInfoMembers);

inline constexpr Member kLifeCycleLastTestInitiatedMembers[] = {
    {"apiCallDateTime", &kTime},
    {"jobID", &kJobId},
};
inline constexpr Shape kLifeCycleLastTestInitiated = Structure(kLifeCycleLastTestInitiatedMembers);

inline constexpr Member kLifeCycleLastTestRevertedMembers[] = {
    {"apiCallDateTime", &kTime},
};
inline constexpr Shape kLifeCycleLastTestReverted = Structure(kLifeCycleLastTestRevertedMembers);

inline constexpr Member kLifeCycleLastTestFinalizedMembers[] = {
    {"apiCallDateTime", &kTime},
};
inline constexpr Shape kLifeCycleLastTestFinalized = Structure(kLifeCycleLastTestFinalizedMembers);

inline constexpr Member kLifeCycleLastTestMembers[] = {
    {"initiated", &kLifeCycleLastTestInitiated},
    {"reverted", &kLifeCycleLastTestReverted},
    {"finalized", &kLifeCycleLastTestFinalized},
};
inline constexpr Shape kLifeCycleLastTest = Structure(kLifeCycleLastTestMembers);

inline constexpr Member kLifeCycleLastCutoverInitiatedMembers[] = {
    {"apiCallDateTime", &kTime},
    {"jobID", &kJobId},
};
inline constexpr Shape kLifeCycleLastCutoverInitiated =
    Structure(kLifeCycleLastCutoverInitiatedMembers);

inline constexpr Member kLifeCycleLastCutoverRevertedMembers[] = {
    {"apiCallDateTime", &kTime},
};
inline constexpr Shape kLifeCycleLastCutoverReverted =
    Structure(kLifeCycleLastCutoverRevertedMembers);

inline constexpr Member kLifeCycleLastCutoverFinalizedMembers[] = {
    {"apiCallDateTime", &kTime},
};
inline constexpr Shape kLifeCycleLastCutoverFinalized =
    Structure(kLifeCycleLastCutoverFinalizedMembers);

inline constexpr Member kLifeCycleLastCutoverMembers[] = {
    {"initiated", &kLifeCycleLastCutoverInitiated},
    {"reverted", &kLifeCycleLastCutoverReverted},
    {"finalized", &kLifeCycleLastCutoverFinalized},
};
inline constexpr Shape kLifeCycleLastCutover = Structure(kLifeCycleLastCutoverMembers);

inline constexpr Member kLifeCycleMembers[] = {
    {"addedToServiceDateTime", &kTime},
    {"firstByteDateTime", &kTime},
    {"elapsedReplicationDuration", &kDuration},
    {"lastSeenByServiceDateTime", &kTime},
    {"lastTest", &kLifeCycleLastTest},
    {"lastCutover", &kLifeCycleLastCutover},
    {"state", &kLifeCycleState},
};
inline constexpr Shape kLifeCycle = Structure(kLifeCycleMembers);

inline constexpr Member kIdentificationHintsMembers[] = {
    {"fqdn", &kString<0, 256>},       {"hostname", &kString<0, 256>},
    {"vmWareUuid", &kString<0, 256>}, {"awsInstanceID", &kString<0, 255, kInstancePattern>},
    {"vmPath", &kString<0, 256>},
};
inline constexpr Shape kIdentificationHints = Structure(kIdentificationHintsMembers);

inline constexpr Member kNetworkInterfaceMembers[] = {
    {"macAddress", &kString<0, 256>},
    {"ips", &kList<kString<0, 256>, kNone, kNone>},
    {"isPrimary", &kBool},
};
inline constexpr Shape kNetworkInterface = Structure(kNetworkInterfaceMembers);

inline constexpr Member kDiskMembers[] = {
    {"deviceName", &kString<0, 256>},
    {"bytes", &kInteger<0, kNone>},
};
inline constexpr Shape kDisk = Structure(kDiskMembers);

inline constexpr Member kCPUMembers[] = {
    {"cores", &kInteger<0, kNone>},
    {"modelName", &kString<0, 256>},
};
inline constexpr Shape kCPU = Structure(kCPUMembers);

inline constexpr Member kOSMembers[] = {
    {"fullString", &kString<0, 256>},
};
inline constexpr Shape kOS = Structure(kOSMembers);

inline constexpr Member kSourcePropertiesMembers[] = {
    {"lastUpdatedDateTime", &kTime},
    {"recommendedInstanceType", &kString<0, 255>},
    {"identificationHints", &kIdentificationHints},
    {"networkInterfaces", &kList<kNetworkInterface, 0, 32>},
    {"disks", &kList<kDisk, 0, 1000>},
    {"cpus", &kList<kCPU, 0, 256>},
    {"ramBytes", &kInteger<0, kNone>},
    {"os", &kOS},
};
inline constexpr Shape kSourceProperties = Structure(kSourcePropertiesMembers);

inline constexpr Member kSourceServerConnectorActionMembers[] = {
    {"credentialsSecretArn", &kString<20, 256>},
    {"connectorArn", &kString<27, 100>},
};
inline constexpr Shape kSourceServerConnectorAction =
    Structure(kSourceServerConnectorActionMembers);

inline constexpr Member kSourceServerMembers[] = {
    {"sourceServerID", &kServerId},
    {"arn", &kArn},
    {"isArchived", &kBool},
    {"tags", &kTagsMap},
    {"launchedInstance", &kLaunchedInstance},
    {"dataReplicationInfo", &kDataReplicationInfo},
    {"lifeCycle", &kLifeCycle},
    {"sourceProperties", &kSourceProperties},
    {"replicationType", &kReplicationType},
    {"vcenterClientID", &kVcenterClientId},
    {"applicationID", &kApplicationId},
    {"userProvidedID", &kString<1, 256, kNoBlankEnds>, kNewer},
    {"fqdnForActionFramework", &kString<0, 256>, kNewer},
    {"connectorAction", &kSourceServerConnectorAction, kNewer},
};
inline constexpr Shape kSourceServer = Structure(kSourceServerMembers);

inline constexpr Member kChangeServerLifeCycleStateSourceServerLifecycleMembers[] = {
    {"state", &kChangeServerLifeCycleStateSourceServerLifecycleState, kRequired},
};
inline constexpr Shape kChangeServerLifeCycleStateSourceServerLifecycle =
    Structure(kChangeServerLifeCycleStateSourceServerLifecycleMembers);

}  // namespace godwit::gateway::mgn
