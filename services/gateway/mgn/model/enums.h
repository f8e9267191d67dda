// Enumerations of the MGN API, in the order of its model.
#pragma once

#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

inline constexpr absl::string_view kActionCategoryValues[] = {"DISASTER_RECOVERY",
                                                              "OPERATING_SYSTEM",
                                                              "LICENSE_AND_SUBSCRIPTION",
                                                              "VALIDATION",
                                                              "OBSERVABILITY",
                                                              "REFACTORING",
                                                              "SECURITY",
                                                              "NETWORKING",
                                                              "CONFIGURATION",
                                                              "BACKUP",
                                                              "OTHER"};
inline constexpr Shape kActionCategory = Enum(kActionCategoryValues, 11);
inline constexpr absl::string_view kApplicationHealthStatusValues[] = {"HEALTHY", "LAGGING",
                                                                       "ERROR"};
inline constexpr Shape kApplicationHealthStatus = Enum(kApplicationHealthStatusValues);
inline constexpr absl::string_view kApplicationProgressStatusValues[] = {
    "NOT_STARTED", "IN_PROGRESS", "COMPLETED"};
inline constexpr Shape kApplicationProgressStatus = Enum(kApplicationProgressStatusValues);
inline constexpr absl::string_view kBootModeValues[] = {"LEGACY_BIOS", "UEFI", "USE_SOURCE"};
inline constexpr Shape kBootMode = Enum(kBootModeValues, 1);
inline constexpr absl::string_view kChangeServerLifeCycleStateSourceServerLifecycleStateValues[] = {
    "READY_FOR_TEST", "READY_FOR_CUTOVER", "CUTOVER"};
inline constexpr Shape kChangeServerLifeCycleStateSourceServerLifecycleState =
    Enum(kChangeServerLifeCycleStateSourceServerLifecycleStateValues);
inline constexpr absl::string_view kDataReplicationErrorStringValues[] = {
    "AGENT_NOT_SEEN",
    "SNAPSHOTS_FAILURE",
    "NOT_CONVERGING",
    "UNSTABLE_NETWORK",
    "FAILED_TO_CREATE_SECURITY_GROUP",
    "FAILED_TO_LAUNCH_REPLICATION_SERVER",
    "FAILED_TO_BOOT_REPLICATION_SERVER",
    "FAILED_TO_AUTHENTICATE_WITH_SERVICE",
    "FAILED_TO_DOWNLOAD_REPLICATION_SOFTWARE",
    "FAILED_TO_CREATE_STAGING_DISKS",
    "FAILED_TO_ATTACH_STAGING_DISKS",
    "FAILED_TO_PAIR_REPLICATION_SERVER_WITH_AGENT",
    "FAILED_TO_CONNECT_AGENT_TO_REPLICATION_SERVER",
    "FAILED_TO_START_DATA_TRANSFER",
    "UNSUPPORTED_VM_CONFIGURATION",
    "LAST_SNAPSHOT_JOB_FAILED",
    "FAILED_TO_SETUP_FSX_PROXY",
    "FAILED_TO_CREATE_FSX_SNAPSHOT"};
inline constexpr Shape kDataReplicationErrorString = Enum(kDataReplicationErrorStringValues, 2);
inline constexpr absl::string_view kDataReplicationInitiationStepNameValues[] = {
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
    "SETUP_FSX_PROXY"};
inline constexpr Shape kDataReplicationInitiationStepName =
    Enum(kDataReplicationInitiationStepNameValues, 1);
inline constexpr absl::string_view kDataReplicationInitiationStepStatusValues[] = {
    "NOT_STARTED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "SKIPPED"};
inline constexpr Shape kDataReplicationInitiationStepStatus =
    Enum(kDataReplicationInitiationStepStatusValues);
inline constexpr absl::string_view kDataReplicationStateValues[] = {"STOPPED",
                                                                    "INITIATING",
                                                                    "INITIAL_SYNC",
                                                                    "BACKLOG",
                                                                    "CREATING_SNAPSHOT",
                                                                    "CONTINUOUS",
                                                                    "PAUSED",
                                                                    "RESCAN",
                                                                    "STALLED",
                                                                    "DISCONNECTED",
                                                                    "PENDING_SNAPSHOT_SHIPPING",
                                                                    "SHIPPING_SNAPSHOT"};
inline constexpr Shape kDataReplicationState = Enum(kDataReplicationStateValues);
inline constexpr absl::string_view kExportStatusValues[] = {"PENDING", "STARTED", "FAILED",
                                                            "SUCCEEDED"};
inline constexpr Shape kExportStatus = Enum(kExportStatusValues, 4);
inline constexpr absl::string_view kFirstBootValues[] = {"WAITING", "SUCCEEDED", "UNKNOWN",
                                                         "STOPPED"};
inline constexpr Shape kFirstBoot = Enum(kFirstBootValues);
inline constexpr absl::string_view kImportErrorTypeValues[] = {"VALIDATION_ERROR",
                                                               "PROCESSING_ERROR"};
inline constexpr Shape kImportErrorType = Enum(kImportErrorTypeValues, 2);
inline constexpr absl::string_view kImportStatusValues[] = {"PENDING", "STARTED", "FAILED",
                                                            "SUCCEEDED"};
inline constexpr Shape kImportStatus = Enum(kImportStatusValues, 4);
inline constexpr absl::string_view kInitiatedByValues[] = {"START_TEST", "START_CUTOVER",
                                                           "DIAGNOSTIC", "TERMINATE"};
inline constexpr Shape kInitiatedBy = Enum(kInitiatedByValues);
inline constexpr absl::string_view kInternetProtocolValues[] = {"IPV4", "IPV6"};
inline constexpr Shape kInternetProtocol = Enum(kInternetProtocolValues, 2);
inline constexpr absl::string_view kJobLogEventValues[] = {
    "JOB_START",        "SERVER_SKIPPED", "CLEANUP_START",
    "CLEANUP_END",      "CLEANUP_FAIL",   "SNAPSHOT_START",
    "SNAPSHOT_END",     "SNAPSHOT_FAIL",  "USING_PREVIOUS_SNAPSHOT",
    "CONVERSION_START", "CONVERSION_END", "CONVERSION_FAIL",
    "LAUNCH_START",     "LAUNCH_FAILED",  "JOB_CANCEL",
    "JOB_END"};
inline constexpr Shape kJobLogEvent = Enum(kJobLogEventValues);
inline constexpr absl::string_view kJobStatusValues[] = {"PENDING", "STARTED", "COMPLETED"};
inline constexpr Shape kJobStatus = Enum(kJobStatusValues);
inline constexpr absl::string_view kJobTypeValues[] = {"LAUNCH", "TERMINATE"};
inline constexpr Shape kJobType = Enum(kJobTypeValues);
inline constexpr absl::string_view kLastKnownCheckStatusValues[] = {"PASSED", "FAILED", "PENDING"};
inline constexpr Shape kLastKnownCheckStatus = Enum(kLastKnownCheckStatusValues, 3);
inline constexpr absl::string_view kLastKnownCheckTypeValues[] = {"EC2", "FSx"};
inline constexpr Shape kLastKnownCheckType = Enum(kLastKnownCheckTypeValues, 2);
inline constexpr absl::string_view kLaunchDispositionValues[] = {"STOPPED", "STARTED"};
inline constexpr Shape kLaunchDisposition = Enum(kLaunchDispositionValues);
inline constexpr absl::string_view kLaunchStatusValues[] = {"PENDING", "IN_PROGRESS", "LAUNCHED",
                                                            "FAILED", "TERMINATED"};
inline constexpr Shape kLaunchStatus = Enum(kLaunchStatusValues);
inline constexpr absl::string_view kLifeCycleStateValues[] = {
    "STOPPED",      "NOT_READY", "READY_FOR_TEST", "TESTING",    "READY_FOR_CUTOVER",
    "CUTTING_OVER", "CUTOVER",   "DISCONNECTED",   "DISCOVERED", "PENDING_INSTALLATION"};
inline constexpr Shape kLifeCycleState = Enum(kLifeCycleStateValues, 1);
inline constexpr absl::string_view kPostLaunchActionExecutionStatusValues[] = {"IN_PROGRESS",
                                                                               "SUCCESS", "FAILED"};
inline constexpr Shape kPostLaunchActionExecutionStatus =
    Enum(kPostLaunchActionExecutionStatusValues);
inline constexpr absl::string_view kPostLaunchActionsDeploymentTypeValues[] = {
    "TEST_AND_CUTOVER", "CUTOVER_ONLY", "TEST_ONLY"};
inline constexpr Shape kPostLaunchActionsDeploymentType =
    Enum(kPostLaunchActionsDeploymentTypeValues);
inline constexpr absl::string_view kReplicationConfigurationDataPlaneRoutingValues[] = {
    "PRIVATE_IP", "PUBLIC_IP"};
inline constexpr Shape kReplicationConfigurationDataPlaneRouting =
    Enum(kReplicationConfigurationDataPlaneRoutingValues);
inline constexpr absl::string_view kReplicationConfigurationDefaultLargeStagingDiskTypeValues[] = {
    "GP2", "ST1", "GP3"};
inline constexpr Shape kReplicationConfigurationDefaultLargeStagingDiskType =
    Enum(kReplicationConfigurationDefaultLargeStagingDiskTypeValues);
inline constexpr absl::string_view kReplicationConfigurationEbsEncryptionValues[] = {"DEFAULT",
                                                                                     "CUSTOM"};
inline constexpr Shape kReplicationConfigurationEbsEncryption =
    Enum(kReplicationConfigurationEbsEncryptionValues);
inline constexpr absl::string_view kReplicationConfigurationReplicatedDiskStagingDiskTypeValues[] =
    {"AUTO", "GP2", "IO1", "SC1", "ST1", "STANDARD", "GP3", "IO2", "FSX_ONTAP"};
inline constexpr Shape kReplicationConfigurationReplicatedDiskStagingDiskType =
    Enum(kReplicationConfigurationReplicatedDiskStagingDiskTypeValues, 1);
inline constexpr absl::string_view kReplicationTypeValues[] = {"AGENT_BASED", "SNAPSHOT_SHIPPING"};
inline constexpr Shape kReplicationType = Enum(kReplicationTypeValues);
inline constexpr absl::string_view kSsmDocumentTypeValues[] = {"AUTOMATION", "COMMAND"};
inline constexpr Shape kSsmDocumentType = Enum(kSsmDocumentTypeValues);
inline constexpr absl::string_view kSsmParameterStoreParameterTypeValues[] = {"STRING",
                                                                              "SECURE_STRING"};
inline constexpr Shape kSsmParameterStoreParameterType =
    Enum(kSsmParameterStoreParameterTypeValues, 1);
inline constexpr absl::string_view kStorageTypeValues[] = {"EBS", "FSX_ONTAP"};
inline constexpr Shape kStorageType = Enum(kStorageTypeValues, 2);
inline constexpr absl::string_view kTargetInstanceTypeRightSizingMethodValues[] = {"NONE", "BASIC"};
inline constexpr Shape kTargetInstanceTypeRightSizingMethod =
    Enum(kTargetInstanceTypeRightSizingMethodValues);
inline constexpr absl::string_view kVolumeTypeValues[] = {"io1", "io2", "gp3",     "gp2",
                                                          "st1", "sc1", "standard"};
inline constexpr Shape kVolumeType = Enum(kVolumeTypeValues);
inline constexpr absl::string_view kWaveHealthStatusValues[] = {"HEALTHY", "LAGGING", "ERROR"};
inline constexpr Shape kWaveHealthStatus = Enum(kWaveHealthStatusValues);
inline constexpr absl::string_view kWaveProgressStatusValues[] = {"NOT_STARTED", "IN_PROGRESS",
                                                                  "COMPLETED"};
inline constexpr Shape kWaveProgressStatus = Enum(kWaveProgressStatusValues);

}  // namespace godwit::gateway::mgn
