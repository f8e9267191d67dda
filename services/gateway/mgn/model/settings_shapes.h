// Structures of replication and launch settings, their templates, and post-launch actions.
#pragma once

#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

inline constexpr Member kFsxOntapConfigurationMembers[] = {
    {"storageVirtualMachineId", &kString<21, 21, kSvmPattern>, kRequired},
    {"credentialsSecretArn", &kString<20, 256>, kRequired},
};
inline constexpr Shape kFsxOntapConfiguration = Structure(kFsxOntapConfigurationMembers);

inline constexpr Member kStorageConfigurationMembers[] = {
    {"storageType", &kStorageType, kRequired},
    {"fsxOntapConfiguration", &kFsxOntapConfiguration},
};
inline constexpr Shape kStorageConfiguration = Structure(kStorageConfigurationMembers);

inline constexpr Member kReplicationConfigurationTemplateMembers[] = {
    {"replicationConfigurationTemplateID", &kReplicationTemplateId, kRequired},
    {"arn", &kArn},
    {"stagingAreaSubnetId", &kString<0, 255, kSubnetPattern>},
    {"associateDefaultSecurityGroup", &kBool},
    {"replicationServersSecurityGroupsIDs", &kList<kString<0, 255, kSecurityGroupPattern>, 0, 32>},
    {"replicationServerInstanceType", &kString<0, 255>},
    {"useDedicatedReplicationServer", &kBool},
    {"defaultLargeStagingDiskType", &kReplicationConfigurationDefaultLargeStagingDiskType},
    {"ebsEncryption", &kReplicationConfigurationEbsEncryption},
    {"ebsEncryptionKeyArn", &kArn},
    {"bandwidthThrottling", &kInteger<0, 10000>},
    {"dataPlaneRouting", &kReplicationConfigurationDataPlaneRouting},
    {"createPublicIP", &kBool},
    {"stagingAreaTags", &kTagsMap},
    {"useFipsEndpoint", &kBool, kNewer},
    {"tags", &kTagsMap},
    {"internetProtocol", &kInternetProtocol, kNewer},
    {"storeSnapshotOnLocalZone", &kBool, kNewer},
    {"storageConfiguration", &kStorageConfiguration, kNewer},
};
inline constexpr Shape kReplicationConfigurationTemplate =
    Structure(kReplicationConfigurationTemplateMembers);

inline constexpr Member kSsmParameterStoreParameterMembers[] = {
    {"parameterType", &kSsmParameterStoreParameterType, kRequired},
    {"parameterName", &kString<1, 1011, kParameterNamePattern>, kRequired},
};
inline constexpr Shape kSsmParameterStoreParameter = Structure(kSsmParameterStoreParameterMembers);

inline constexpr Member kSsmExternalParameterMembers[] = {
    {"dynamicPath", &kString<1, 1011, kDynamicPathPattern>},
};
inline constexpr Shape kSsmExternalParameter = Structure(kSsmExternalParameterMembers);

inline constexpr Member kSsmDocumentMembers[] = {
    {"actionName", &kString<0, 256>, kRequired},
    {"ssmDocumentName", &kString<3, 172, kDocumentNamePattern>, kRequired},
    {"timeoutSeconds", &kInteger<1, kNone>},
    {"mustSucceedForCutover", &kBool},
    {"parameters", &kMap<kString<1, 1011, kParameterKeyPattern>,
                         kList<kSsmParameterStoreParameter, 0, 10>, 0, 20>},
    {"externalParameters",
     &kMap<kString<1, 1011, kParameterKeyPattern>, kSsmExternalParameter, 0, 20>, kNewer},
};
inline constexpr Shape kSsmDocument = Structure(kSsmDocumentMembers);

inline constexpr Member kPostLaunchActionsMembers[] = {
    {"deployment", &kPostLaunchActionsDeploymentType},
    {"s3LogBucket", &kString<3, 63>},
    {"s3OutputKeyPrefix", &kString<0, 256>},
    {"cloudWatchLogGroupName", &kString<1, 512, kLogGroupPattern>},
    {"ssmDocuments", &kList<kSsmDocument, 0, 10>},
};
inline constexpr Shape kPostLaunchActions = Structure(kPostLaunchActionsMembers);

inline constexpr Member kLicensingMembers[] = {
    {"osByol", &kBool},
};
inline constexpr Shape kLicensing = Structure(kLicensingMembers);

inline constexpr Member kLaunchTemplateDiskConfMembers[] = {
    {"volumeType", &kVolumeType},
    {"iops", &kInteger<100, 64000>},
    {"throughput", &kInteger<125, 1000>},
};
inline constexpr Shape kLaunchTemplateDiskConf = Structure(kLaunchTemplateDiskConfMembers);

inline constexpr Member kLaunchConfigurationTemplateMembers[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
    {"arn", &kArn},
    {"postLaunchActions", &kPostLaunchActions},
    {"enableMapAutoTagging", &kBool},
    {"mapAutoTaggingMpeID", &kString<0, 256>},
    {"tags", &kTagsMap},
    {"ec2LaunchTemplateID", &kString<20, 20, kLaunchTemplatePattern>},
    {"launchDisposition", &kLaunchDisposition},
    {"targetInstanceTypeRightSizingMethod", &kTargetInstanceTypeRightSizingMethod},
    {"copyPrivateIp", &kBool},
    {"associatePublicIpAddress", &kBool},
    {"copyTags", &kBool},
    {"licensing", &kLicensing},
    {"bootMode", &kBootMode},
    {"smallVolumeMaxSize", &kInteger<0, kNone>},
    {"smallVolumeConf", &kLaunchTemplateDiskConf},
    {"largeVolumeConf", &kLaunchTemplateDiskConf},
    {"enableParametersEncryption", &kBool, kNewer},
    {"parametersEncryptionKey", &kArn, kNewer},
};
inline constexpr Shape kLaunchConfigurationTemplate =
    Structure(kLaunchConfigurationTemplateMembers);

inline constexpr Member kReplicationConfigurationReplicatedDiskMembers[] = {
    {"deviceName", &kString<0, 256>},
    {"isBootDisk", &kBool},
    {"stagingDiskType", &kReplicationConfigurationReplicatedDiskStagingDiskType},
    {"iops", &kInteger<0, kNone>},
    {"throughput", &kInteger<0, kNone>},
};
inline constexpr Shape kReplicationConfigurationReplicatedDisk =
    Structure(kReplicationConfigurationReplicatedDiskMembers);

inline constexpr Member kReplicationConfigurationMembers[] = {
    {"sourceServerID", &kServerId},
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
    {"internetProtocol", &kInternetProtocol, kNewer},
    {"storeSnapshotOnLocalZone", &kBool, kNewer},
    {"storageConfiguration", &kStorageConfiguration, kNewer},
};
inline constexpr Shape kReplicationConfiguration = Structure(kReplicationConfigurationMembers);

inline constexpr Member kLaunchConfigurationMembers[] = {
    {"sourceServerID", &kServerId},
    {"name", &kString<0, 128>},
    {"ec2LaunchTemplateID", &kString<0, 256>},
    {"launchDisposition", &kLaunchDisposition},
    {"targetInstanceTypeRightSizingMethod", &kTargetInstanceTypeRightSizingMethod},
    {"copyPrivateIp", &kBool},
    {"copyTags", &kBool},
    {"licensing", &kLicensing},
    {"bootMode", &kBootMode},
    {"postLaunchActions", &kPostLaunchActions},
    {"enableMapAutoTagging", &kBool},
    {"mapAutoTaggingMpeID", &kString<0, 256>},
};
inline constexpr Shape kLaunchConfiguration = Structure(kLaunchConfigurationMembers);

inline constexpr Member kSourceServerActionDocumentMembers[] = {
    {"actionID", &kString<1, 64, kActionIdPattern>},
    {"actionName", &kString<1, 256, kNoBlankEnds>},
    {"documentIdentifier", &kString<0, 256>},
    {"order", &kInteger<1001, 10000>},
    {"documentVersion", &kString<kNone, kNone, kDocumentVersionPattern>},
    {"active", &kBool},
    {"timeoutSeconds", &kInteger<1, kNone>},
    {"mustSucceedForCutover", &kBool},
    {"parameters", &kMap<kString<1, 1011, kParameterKeyPattern>,
                         kList<kSsmParameterStoreParameter, 0, 10>, 0, 20>},
    {"externalParameters",
     &kMap<kString<1, 1011, kParameterKeyPattern>, kSsmExternalParameter, 0, 20>, kNewer},
    {"description", &kString<0, 256, kActionTextPattern>, kNewer},
    {"category", &kActionCategory, kNewer},
};
inline constexpr Shape kSourceServerActionDocument = Structure(kSourceServerActionDocumentMembers);

inline constexpr Member kSourceServerActionsRequestFiltersMembers[] = {
    {"actionIDs", &kList<kString<1, 64, kActionIdPattern>, 0, 100>},
};
inline constexpr Shape kSourceServerActionsRequestFilters =
    Structure(kSourceServerActionsRequestFiltersMembers);

inline constexpr Member kTemplateActionDocumentMembers[] = {
    {"actionID", &kString<1, 64, kActionIdPattern>},
    {"actionName", &kString<0, 256>},
    {"documentIdentifier", &kString<0, 256>},
    {"order", &kInteger<1001, 10000>},
    {"documentVersion", &kString<kNone, kNone, kDocumentVersionPattern>},
    {"active", &kBool},
    {"timeoutSeconds", &kInteger<1, kNone>},
    {"mustSucceedForCutover", &kBool},
    {"parameters", &kMap<kString<1, 1011, kParameterKeyPattern>,
                         kList<kSsmParameterStoreParameter, 0, 10>, 0, 20>},
    {"operatingSystem", &kString<kNone, kNone, kPlatformPattern>},
    {"externalParameters",
     &kMap<kString<1, 1011, kParameterKeyPattern>, kSsmExternalParameter, 0, 20>, kNewer},
    {"description", &kString<0, 256, kActionTextPattern>, kNewer},
    {"category", &kActionCategory, kNewer},
};
inline constexpr Shape kTemplateActionDocument = Structure(kTemplateActionDocumentMembers);

inline constexpr Member kTemplateActionsRequestFiltersMembers[] = {
    {"actionIDs", &kList<kString<1, 64, kActionIdPattern>, 0, 100>},
};
inline constexpr Shape kTemplateActionsRequestFilters =
    Structure(kTemplateActionsRequestFiltersMembers);

}  // namespace godwit::gateway::mgn
