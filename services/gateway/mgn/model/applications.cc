// Operations of MGN: applications.
#include "services/gateway/mgn/model/group_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kCreateApplicationIn[] = {
    {"name", &kString<1, 256, kNoBlankEnds>, kRequired},
    {"description", &kString<0, 600, kNoNul>},
    {"tags", &kTagsMap},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUpdateApplicationIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"name", &kString<1, 256, kNoBlankEnds>},
    {"description", &kString<0, 600, kNoNul>},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kListApplicationsIn[] = {
    {"filters", &kListApplicationsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDeleteApplicationIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kArchiveApplicationIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUnarchiveApplicationIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kAssociateSourceServersIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"sourceServerIDs", &kList<kServerId, 1, 50>, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDisassociateSourceServersIn[] = {
    {"applicationID", &kApplicationId, kRequired},
    {"sourceServerIDs", &kList<kServerId, 1, 50>, kRequired},
    {"accountID", &kAccountId, kNewer},
};

constexpr Operation kOperations[] = {
    {"CreateApplication", "POST", "/CreateApplication", 201, kCreateApplicationIn, &kApplication,
     kUninitialized | kQuota | kConflict, 2022},
    {"UpdateApplication", "POST", "/UpdateApplication", 200, kUpdateApplicationIn, &kApplication,
     kUninitialized | kNotFound | kConflict, 2022},
    {"ListApplications", "POST", "/ListApplications", 200, kListApplicationsIn,
     &kPage<kApplication>, kUninitialized, 2022},
    {"DeleteApplication", "POST", "/DeleteApplication", 204, kDeleteApplicationIn, nullptr,
     kUninitialized | kNotFound | kConflict, 2022},
    {"ArchiveApplication", "POST", "/ArchiveApplication", 200, kArchiveApplicationIn, &kApplication,
     kUninitialized | kNotFound | kQuota | kConflict, 2022},
    {"UnarchiveApplication", "POST", "/UnarchiveApplication", 200, kUnarchiveApplicationIn,
     &kApplication, kUninitialized | kNotFound | kQuota, 2022},
    {"AssociateSourceServers", "POST", "/AssociateSourceServers", 200, kAssociateSourceServersIn,
     nullptr, kUninitialized | kNotFound | kQuota | kConflict, 2022},
    {"DisassociateSourceServers", "POST", "/DisassociateSourceServers", 200,
     kDisassociateSourceServersIn, nullptr, kUninitialized | kNotFound | kConflict, 2022},
};

}  // namespace

std::span<const Operation> ApplicationsOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
