// Operations of MGN: connectors.
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"
#include "services/gateway/mgn/model/transfer_shapes.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kCreateConnectorIn[] = {
    {"name", &kString<1, 256, kConnectorNamePattern>, kRequired},
    {"ssmInstanceID", &kString<19, 20>, kRequired},
    {"tags", &kTagsMap},
    {"ssmCommandConfig", &kConnectorSsmCommandConfig},
};
constexpr Member kUpdateConnectorIn[] = {
    {"connectorID", &kConnectorId, kRequired},
    {"name", &kString<1, 256, kConnectorNamePattern>},
    {"ssmCommandConfig", &kConnectorSsmCommandConfig},
};
constexpr Member kListConnectorsIn[] = {
    {"filters", &kListConnectorsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kDeleteConnectorIn[] = {
    {"connectorID", &kConnectorId, kRequired},
};

constexpr Operation kOperations[] = {
    {"CreateConnector", "POST", "/CreateConnector", 201, kCreateConnectorIn, &kConnector,
     kUninitialized | kValidation, 2023},
    {"UpdateConnector", "POST", "/UpdateConnector", 200, kUpdateConnectorIn, &kConnector,
     kUninitialized | kNotFound | kValidation, 2023},
    {"ListConnectors", "POST", "/ListConnectors", 200, kListConnectorsIn, &kPage<kConnector>,
     kUninitialized | kValidation, 2023},
    {"DeleteConnector", "POST", "/DeleteConnector", 204, kDeleteConnectorIn, nullptr,
     kUninitialized | kNotFound | kValidation, 2023},
};

}  // namespace

std::span<const Operation> ConnectorsOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
