// Operations of MGN: import and export.
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"
#include "services/gateway/mgn/model/transfer_shapes.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kStartImportIn[] = {
    {"clientToken", &kString<0, 64>},
    {"s3BucketSource", &kS3BucketSource, kRequired},
    {"tags", &kTagsMap},
};
constexpr Member kStartImportOut[] = {
    {"importTask", &kImportTask},
};
constexpr Shape kStartImportAnswer = Structure(kStartImportOut);
constexpr Member kListImportsIn[] = {
    {"filters", &kListImportsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kListImportErrorsIn[] = {
    {"importID", &kImportId, kRequired},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kStartExportIn[] = {
    {"s3Bucket", &kString<kNone, kNone, kBucketPattern>, kRequired},
    {"s3Key", &kString<kNone, kNone, kCsvKeyPattern>, kRequired},
    {"s3BucketOwner", &kAccountId},
    {"tags", &kTagsMap},
};
constexpr Member kStartExportOut[] = {
    {"exportTask", &kExportTask},
};
constexpr Shape kStartExportAnswer = Structure(kStartExportOut);
constexpr Member kListExportsIn[] = {
    {"filters", &kListExportsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kListExportErrorsIn[] = {
    {"exportID", &kExportId, kRequired},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};

constexpr Operation kOperations[] = {
    {"StartImport", "POST", "/StartImport", 202, kStartImportIn, &kStartImportAnswer,
     kUninitialized | kNotFound | kValidation | kQuota | kConflict, 2023},
    {"ListImports", "POST", "/ListImports", 200, kListImportsIn, &kPage<kImportTask>,
     kUninitialized | kValidation, 2023},
    {"ListImportErrors", "POST", "/ListImportErrors", 200, kListImportErrorsIn,
     &kPage<kImportTaskError>, kUninitialized | kValidation, 2023},
    {"StartExport", "POST", "/StartExport", 202, kStartExportIn, &kStartExportAnswer,
     kUninitialized | kValidation | kQuota, 2023},
    {"ListExports", "POST", "/ListExports", 200, kListExportsIn, &kPage<kExportTask>,
     kUninitialized, 2023},
    {"ListExportErrors", "POST", "/ListExportErrors", 200, kListExportErrorsIn,
     &kPage<kExportTaskError>, kUninitialized | kValidation, 2023},
};

}  // namespace

std::span<const Operation> TransfersOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
