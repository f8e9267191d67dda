// Operations of MGN: jobs.
#include "services/gateway/mgn/model/job_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kDescribeJobsIn[] = {
    {"filters", &kDescribeJobsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDescribeJobLogItemsIn[] = {
    {"jobID", &kJobId, kRequired},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDeleteJobIn[] = {
    {"jobID", &kJobId, kRequired},
    {"accountID", &kAccountId, kNewer},
};

constexpr Operation kOperations[] = {
    {"DescribeJobs", "POST", "/DescribeJobs", 200, kDescribeJobsIn, &kPage<kJob>,
     kUninitialized | kValidation, 2022},
    {"DescribeJobLogItems", "POST", "/DescribeJobLogItems", 200, kDescribeJobLogItemsIn,
     &kPage<kJobLog>, kUninitialized | kValidation, 2022},
    {"DeleteJob", "POST", "/DeleteJob", 204, kDeleteJobIn, nullptr,
     kUninitialized | kNotFound | kConflict, 2022},
};

}  // namespace

std::span<const Operation> JobsOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn
