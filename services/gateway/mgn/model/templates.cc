// Operations of MGN: templates of replication and launch settings.
#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kCreateReplicationConfigurationTemplateIn[] = {
    {"stagingAreaSubnetId", &kString<0, 255, kSubnetPattern>, kRequired},
    {"associateDefaultSecurityGroup", &kBool, kRequired},
    {"replicationServersSecurityGroupsIDs", &kList<kString<0, 255, kSecurityGroupPattern>, 0, 32>,
     kRequired},
    {"replicationServerInstanceType", &kString<0, 255>, kRequired},
    {"useDedicatedReplicationServer", &kBool, kRequired},
    {"defaultLargeStagingDiskType", &kReplicationConfigurationDefaultLargeStagingDiskType,
     kRequired},
    {"ebsEncryption", &kReplicationConfigurationEbsEncryption, kRequired},
    {"ebsEncryptionKeyArn", &kArn},
    {"bandwidthThrottling", &kInteger<0, 10000>, kRequired},
    {"dataPlaneRouting", &kReplicationConfigurationDataPlaneRouting, kRequired},
    {"createPublicIP", &kBool, kRequired},
    {"stagingAreaTags", &kTagsMap, kRequired},
    {"useFipsEndpoint", &kBool, kNewer},
    {"tags", &kTagsMap},
    {"internetProtocol", &kInternetProtocol, kNewer},
    {"storeSnapshotOnLocalZone", &kBool, kNewer},
    {"storageConfiguration", &kStorageConfiguration, kNewer},
};
constexpr Member kUpdateReplicationConfigurationTemplateIn[] = {
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
    {"internetProtocol", &kInternetProtocol, kNewer},
    {"storeSnapshotOnLocalZone", &kBool, kNewer},
    {"storageConfiguration", &kStorageConfiguration, kNewer},
};
constexpr Member kDescribeReplicationConfigurationTemplatesIn[] = {
    {"replicationConfigurationTemplateIDs", &kList<kReplicationTemplateId, 0, 200>},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kDeleteReplicationConfigurationTemplateIn[] = {
    {"replicationConfigurationTemplateID", &kReplicationTemplateId, kRequired},
};
constexpr Member kCreateLaunchConfigurationTemplateIn[] = {
    {"postLaunchActions", &kPostLaunchActions},
    {"enableMapAutoTagging", &kBool},
    {"mapAutoTaggingMpeID", &kString<0, 256>},
    {"tags", &kTagsMap},
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
    {"parametersEncryptionKey", &kString<0, 276>, kNewer},
};
constexpr Member kUpdateLaunchConfigurationTemplateIn[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
    {"postLaunchActions", &kPostLaunchActions},
    {"enableMapAutoTagging", &kBool},
    {"mapAutoTaggingMpeID", &kString<0, 256>},
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
constexpr Member kDescribeLaunchConfigurationTemplatesIn[] = {
    {"launchConfigurationTemplateIDs", &kList<kLaunchTemplateId, 0, 200>},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kDeleteLaunchConfigurationTemplateIn[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
};

constexpr Operation kOperations[] = {
    {"CreateReplicationConfigurationTemplate", "POST", "/CreateReplicationConfigurationTemplate",
     201, kCreateReplicationConfigurationTemplateIn, &kReplicationConfigurationTemplate,
     kUninitialized | kDenied | kValidation, 2022},
    {"UpdateReplicationConfigurationTemplate", "POST", "/UpdateReplicationConfigurationTemplate",
     200, kUpdateReplicationConfigurationTemplateIn, &kReplicationConfigurationTemplate,
     kUninitialized | kNotFound | kDenied | kValidation, 2022},
    {"DescribeReplicationConfigurationTemplates", "POST",
     "/DescribeReplicationConfigurationTemplates", 200,
     kDescribeReplicationConfigurationTemplatesIn, &kPage<kReplicationConfigurationTemplate>,
     kUninitialized | kNotFound | kValidation, 2022},
    {"DeleteReplicationConfigurationTemplate", "POST", "/DeleteReplicationConfigurationTemplate",
     204, kDeleteReplicationConfigurationTemplateIn, nullptr,
     kUninitialized | kNotFound | kConflict, 2022},
    {"CreateLaunchConfigurationTemplate", "POST", "/CreateLaunchConfigurationTemplate", 201,
     kCreateLaunchConfigurationTemplateIn, &kLaunchConfigurationTemplate,
     kUninitialized | kDenied | kValidation, 2022},
    {"UpdateLaunchConfigurationTemplate", "POST", "/UpdateLaunchConfigurationTemplate", 200,
     kUpdateLaunchConfigurationTemplateIn, &kLaunchConfigurationTemplate,
     kUninitialized | kNotFound | kDenied | kValidation, 2022},
    {"DescribeLaunchConfigurationTemplates", "POST", "/DescribeLaunchConfigurationTemplates", 200,
     kDescribeLaunchConfigurationTemplatesIn, &kPage<kLaunchConfigurationTemplate, 0, 200>,
     kUninitialized | kNotFound | kValidation, 2022},
    {"DeleteLaunchConfigurationTemplate", "POST", "/DeleteLaunchConfigurationTemplate", 204,
     kDeleteLaunchConfigurationTemplateIn, nullptr, kUninitialized | kNotFound | kConflict, 2022},
};

}  // namespace

std::span<const Operation> TemplatesOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
