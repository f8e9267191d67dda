// Operations of MGN: replication.
#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/server_shapes.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kGetReplicationConfigurationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUpdateReplicationConfigurationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"name", &kString<0, 128>},
    {"stagingAreaSubnetId", &kString<0, 255, kSubnetPattern>},
    {"associateDefaultSecurityGroup", &kBool},
    {"replicationServersSecurityGroupsIDs", &kList<kString<0, 255, kSecurityGroupPattern>, 0, 32>},
    {"replicationServerInstanceType", &kString<0, 255>},
    {"useDedicatedReplicationServer", &kBool},
    {"defaultLargeStagingDiskType", &kReplicationConfigurationDefaultLargeStagingDiskType},
    {"replicatedDisks", &kList<kReplicationConfigurationReplicatedDisk, 0, 60>},
    {"ebsEncryption", &kReplicationConfigurationEbsEncryption},
    {"ebsEncryptionKeyArn", &kArn},
    {"bandwidthThrottling", &kInteger<0, 10000>},
    {"dataPlaneRouting", &kReplicationConfigurationDataPlaneRouting},
    {"createPublicIP", &kBool},
    {"stagingAreaTags", &kTagsMap},
    {"useFipsEndpoint", &kBool, kNewer},
    {"accountID", &kAccountId, kNewer},
    {"internetProtocol", &kInternetProtocol, kNewer},
    {"storeSnapshotOnLocalZone", &kBool, kNewer},
    {"storageConfiguration", &kStorageConfiguration, kNewer},
};
constexpr Member kStartReplicationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kStopReplicationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId},
};
constexpr Member kPauseReplicationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId},
};
constexpr Member kResumeReplicationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId},
};
constexpr Member kRetryDataReplicationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};

constexpr Operation kOperations[] = {
    {"GetReplicationConfiguration", "POST", "/GetReplicationConfiguration", 200,
     kGetReplicationConfigurationIn, &kReplicationConfiguration, kUninitialized | kNotFound, 2022},
    {"UpdateReplicationConfiguration", "POST", "/UpdateReplicationConfiguration", 200,
     kUpdateReplicationConfigurationIn, &kReplicationConfiguration,
     kUninitialized | kNotFound | kDenied | kValidation | kConflict, 2022},
    {"StartReplication", "POST", "/StartReplication", 200, kStartReplicationIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kQuota | kConflict, 2022},
    {"StopReplication", "POST", "/StopReplication", 200, kStopReplicationIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kQuota | kConflict, 2023},
    {"PauseReplication", "POST", "/PauseReplication", 200, kPauseReplicationIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kQuota | kConflict, 2023},
    {"ResumeReplication", "POST", "/ResumeReplication", 200, kResumeReplicationIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kQuota | kConflict, 2023},
    {"RetryDataReplication", "POST", "/RetryDataReplication", 200, kRetryDataReplicationIn,
     &kSourceServer, kUninitialized | kNotFound | kValidation, 2022},
};

}  // namespace

std::span<const Operation> ReplicationOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
