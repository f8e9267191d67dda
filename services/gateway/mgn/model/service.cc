// Operations of MGN: the service itself and tags.
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"
#include "services/gateway/mgn/model/transfer_shapes.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kListManagedAccountsIn[] = {
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kListManagedAccountsOut[] = {
    {"items", &kList<kManagedAccount, 0, 1000>, kRequired},
    {"nextToken", &kPageToken},
};
constexpr Shape kListManagedAccountsAnswer = Structure(kListManagedAccountsOut);
constexpr Member kTagResourceIn[] = {
    {"resourceArn", &kArn, kRequired | kInUri},
    {"tags", &kTagsMap, kRequired},
};
constexpr Member kUntagResourceIn[] = {
    {"resourceArn", &kArn, kRequired | kInUri},
    {"tagKeys", &kList<kString<0, 256>, kNone, kNone>, kRequired | kInQuery},
};
constexpr Member kListTagsForResourceIn[] = {
    {"resourceArn", &kArn, kRequired | kInUri},
};
constexpr Member kListTagsForResourceOut[] = {
    {"tags", &kTagsMap},
};
constexpr Shape kListTagsForResourceAnswer = Structure(kListTagsForResourceOut);

constexpr Operation kOperations[] = {
    {"InitializeService",
     "POST",
     "/InitializeService",
     204,
     {},
     nullptr,
     kDenied | kValidation,
     2022},
    {"ListManagedAccounts", "POST", "/ListManagedAccounts", 200, kListManagedAccountsIn,
     &kListManagedAccountsAnswer, kUninitialized | kValidation, 2023},
    {"TagResource", "POST", "/tags/{resourceArn}", 200, kTagResourceIn, nullptr,
     kNotFound | kThrottling | kDenied | kValidation | kInternal, 2022},
    {"UntagResource", "DELETE", "/tags/{resourceArn}", 200, kUntagResourceIn, nullptr,
     kNotFound | kThrottling | kDenied | kValidation | kInternal, 2022},
    {"ListTagsForResource", "GET", "/tags/{resourceArn}", 200, kListTagsForResourceIn,
     &kListTagsForResourceAnswer, kNotFound | kThrottling | kDenied | kValidation | kInternal,
     2022},
};

}  // namespace

std::span<const Operation> ServiceOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
