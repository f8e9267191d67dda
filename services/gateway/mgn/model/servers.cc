// Operations of MGN: source servers.
#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/server_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kDescribeSourceServersIn[] = {
    {"filters", &kDescribeSourceServersRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUpdateSourceServerIn[] = {
    {"accountID", &kAccountId},
    {"sourceServerID", &kServerId, kRequired},
    {"connectorAction", &kSourceServerConnectorAction},
    {"userProvidedID", &kString<1, 256, kNoBlankEnds>},
    {"fqdnForActionFramework", &kString<1, 256>},
    {"platform", &kString<kNone, kNone, kPlatformPattern>},
};
constexpr Member kUpdateSourceServerReplicationTypeIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"replicationType", &kReplicationType, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kChangeServerLifeCycleStateIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"lifeCycle", &kChangeServerLifeCycleStateSourceServerLifecycle, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDisconnectFromServiceIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kMarkAsArchivedIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDeleteSourceServerIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};

constexpr Operation kOperations[] = {
    {"DescribeSourceServers", "POST", "/DescribeSourceServers", 200, kDescribeSourceServersIn,
     &kPage<kSourceServer>, kUninitialized | kValidation, 2022},
    {"UpdateSourceServer", "POST", "/UpdateSourceServer", 200, kUpdateSourceServerIn,
     &kSourceServer, kUninitialized | kNotFound | kConflict, 2023},
    {"UpdateSourceServerReplicationType", "POST", "/UpdateSourceServerReplicationType", 200,
     kUpdateSourceServerReplicationTypeIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"ChangeServerLifeCycleState", "POST", "/ChangeServerLifeCycleState", 200,
     kChangeServerLifeCycleStateIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"DisconnectFromService", "POST", "/DisconnectFromService", 200, kDisconnectFromServiceIn,
     &kSourceServer, kUninitialized | kNotFound | kConflict, 2022},
    {"MarkAsArchived", "POST", "/MarkAsArchived", 200, kMarkAsArchivedIn, &kSourceServer,
     kUninitialized | kNotFound | kConflict, 2022},
    {"DeleteSourceServer", "POST", "/DeleteSourceServer", 204, kDeleteSourceServerIn, nullptr,
     kUninitialized | kNotFound | kConflict, 2022},
};

}  // namespace

std::span<const Operation> ServersOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
