// Operations of MGN: vCenter clients.
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"
#include "services/gateway/mgn/model/transfer_shapes.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kDescribeVcenterClientsIn[] = {
    {"maxResults", &kInteger<1, 1000>, kInQuery},
    {"nextToken", &kPageToken, kInQuery},
};
constexpr Member kDeleteVcenterClientIn[] = {
    {"vcenterClientID", &kVcenterClientId, kRequired},
};

constexpr Operation kOperations[] = {
    {"DescribeVcenterClients", "GET", "/DescribeVcenterClients", 200, kDescribeVcenterClientsIn,
     &kPage<kVcenterClient>, kUninitialized | kNotFound | kValidation, 2022},
    {"DeleteVcenterClient", "POST", "/DeleteVcenterClient", 204, kDeleteVcenterClientIn, nullptr,
     kUninitialized | kNotFound | kValidation, 2022},
};

}  // namespace

std::span<const Operation> VcenterOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
