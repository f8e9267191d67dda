// Structures of import, export, connectors, vCenter clients and accounts.
#pragma once

#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

inline constexpr Member kManagedAccountMembers[] = {
    {"accountId", &kAccountId},
};
inline constexpr Shape kManagedAccount = Structure(kManagedAccountMembers);

inline constexpr Member kS3BucketSourceMembers[] = {
    {"s3Bucket", &kString<kNone, kNone, kBucketPattern>, kRequired},
    {"s3Key", &kString<kNone, kNone, kCsvKeyPattern>, kRequired},
    {"s3BucketOwner", &kAccountId},
};
inline constexpr Shape kS3BucketSource = Structure(kS3BucketSourceMembers);

inline constexpr Member kImportTaskSummaryWavesMembers[] = {
    {"createdCount", &kInteger<0, kNone>},
    {"modifiedCount", &kInteger<0, kNone>},
};
inline constexpr Shape kImportTaskSummaryWaves = Structure(kImportTaskSummaryWavesMembers);

inline constexpr Member kImportTaskSummaryApplicationsMembers[] = {
    {"createdCount", &kInteger<0, kNone>},
    {"modifiedCount", &kInteger<0, kNone>},
};
inline constexpr Shape kImportTaskSummaryApplications =
    Structure(kImportTaskSummaryApplicationsMembers);

inline constexpr Member kImportTaskSummaryServersMembers[] = {
    {"createdCount", &kInteger<0, kNone>},
    {"modifiedCount", &kInteger<0, kNone>},
};
inline constexpr Shape kImportTaskSummaryServers = Structure(kImportTaskSummaryServersMembers);

inline constexpr Member kImportTaskSummaryMembers[] = {
    {"waves", &kImportTaskSummaryWaves},
    {"applications", &kImportTaskSummaryApplications},
    {"servers", &kImportTaskSummaryServers},
};
inline constexpr Shape kImportTaskSummary = Structure(kImportTaskSummaryMembers);

inline constexpr Member kImportTaskMembers[] = {
    {"importID", &kImportId},
    {"arn", &kArn},
    {"s3BucketSource", &kS3BucketSource},
    {"creationDateTime", &kTime},
    {"endDateTime", &kTime},
    {"status", &kImportStatus},
    {"progressPercentage", &kFloat},
    {"summary", &kImportTaskSummary},
    {"tags", &kTagsMap},
};
inline constexpr Shape kImportTask = Structure(kImportTaskMembers);

inline constexpr Member kListImportsRequestFiltersMembers[] = {
    {"importIDs", &kList<kImportId, 0, 10>},
};
inline constexpr Shape kListImportsRequestFilters = Structure(kListImportsRequestFiltersMembers);

inline constexpr Member kImportErrorDataMembers[] = {
    {"sourceServerID", &kServerId},
    {"applicationID", &kApplicationId},
    {"waveID", &kWaveId},
    {"ec2LaunchTemplateID", &kString<0, 256>},
    {"rowNumber", &kInteger<0, kNone>},
    {"rawError", &kString<0, 65536>},
    {"accountID", &kAccountId},
};
inline constexpr Shape kImportErrorData = Structure(kImportErrorDataMembers);

inline constexpr Member kImportTaskErrorMembers[] = {
    {"errorDateTime", &kTime},
    {"errorType", &kImportErrorType},
    {"errorData", &kImportErrorData},
};
inline constexpr Shape kImportTaskError = Structure(kImportTaskErrorMembers);

inline constexpr Member kExportTaskSummaryMembers[] = {
    {"serversCount", &kInteger<0, kNone>},
    {"applicationsCount", &kInteger<0, kNone>},
    {"wavesCount", &kInteger<0, kNone>},
};
inline constexpr Shape kExportTaskSummary = Structure(kExportTaskSummaryMembers);

inline constexpr Member kExportTaskMembers[] = {
    {"exportID", &kExportId},
    {"arn", &kArn},
    {"s3Bucket", &kString<kNone, kNone, kBucketPattern>},
    {"s3Key", &kString<kNone, kNone, kCsvKeyPattern>},
    {"s3BucketOwner", &kAccountId},
    {"creationDateTime", &kTime},
    {"endDateTime", &kTime},
    {"status", &kExportStatus},
    {"progressPercentage", &kFloat},
    {"summary", &kExportTaskSummary},
    {"tags", &kTagsMap},
};
inline constexpr Shape kExportTask = Structure(kExportTaskMembers);

inline constexpr Member kListExportsRequestFiltersMembers[] = {
    {"exportIDs", &kList<kExportId, 0, 10>},
};
inline constexpr Shape kListExportsRequestFilters = Structure(kListExportsRequestFiltersMembers);

inline constexpr Member kExportErrorDataMembers[] = {
    {"rawError", &kString<0, 65536>},
};
inline constexpr Shape kExportErrorData = Structure(kExportErrorDataMembers);

inline constexpr Member kExportTaskErrorMembers[] = {
    {"errorDateTime", &kTime},
    {"errorData", &kExportErrorData},
};
inline constexpr Shape kExportTaskError = Structure(kExportTaskErrorMembers);

inline constexpr Member kVcenterClientMembers[] = {
    {"vcenterClientID", &kVcenterClientId}, {"arn", &kArn},
    {"hostname", &kString<0, 256>},         {"vcenterUUID", &kString<0, 256>},
    {"datacenterName", &kString<0, 256>},   {"lastSeenDatetime", &kTime},
    {"sourceServerTags", &kTagsMap},        {"tags", &kTagsMap},
};
inline constexpr Shape kVcenterClient = Structure(kVcenterClientMembers);

inline constexpr Member kConnectorSsmCommandConfigMembers[] = {
    {"s3OutputEnabled", &kBool, kRequired},
    {"outputS3BucketName", &kString<kNone, kNone, kBucketPattern>},
    {"cloudWatchOutputEnabled", &kBool, kRequired},
    {"cloudWatchLogGroupName", &kString<1, 512, kLogGroupPattern>},
};
inline constexpr Shape kConnectorSsmCommandConfig = Structure(kConnectorSsmCommandConfigMembers);

inline constexpr Member kConnectorMembers[] = {
    {"connectorID", &kConnectorId},
    {"name", &kString<1, 256, kConnectorNamePattern>},
    {"ssmInstanceID", &kString<19, 20>},
    {"arn", &kArn},
    {"tags", &kTagsMap},
    {"ssmCommandConfig", &kConnectorSsmCommandConfig},
};
inline constexpr Shape kConnector = Structure(kConnectorMembers);

inline constexpr Member kListConnectorsRequestFiltersMembers[] = {
    {"connectorIDs", &kList<kConnectorId, 0, 20>},
};
inline constexpr Shape kListConnectorsRequestFilters =
    Structure(kListConnectorsRequestFiltersMembers);

}  // namespace godwit::gateway::mgn
