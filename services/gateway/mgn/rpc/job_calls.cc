// Jobs: the list, the log, removal.
#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/job_json.h"
#include "services/gateway/mgn/rpc/proto_time.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::jobs::v1;
using nlohmann::json;
using Stub = pb::JobService::Stub;

constexpr std::size_t kDefaultPage = 50;
constexpr std::size_t kMostOfService = 500;
constexpr int kMostPages = 10;

// Both ends of filters.fromDate and filters.toDate, times of creation.
struct Span {
  absl::Time from = absl::InfinitePast(), to = absl::InfiniteFuture();
  bool Has(const pb::Job& job) const {
    const absl::Time time = ToTime(job.create_time());
    return time >= from && time <= to;
  }
};

absl::StatusOr<Span> SpanOf(const json& filters) {
  Span span;
  for (const auto& [name, end] :
       {std::pair<const char*, absl::Time*>{"fromDate", &span.from}, {"toDate", &span.to}}) {
    if (!filters.contains(name)) continue;
    const std::optional<absl::Time> time = ParseTimeText(filters[name].get<std::string>());
    if (!time) return rpc::FieldError(absl::StrCat("filters.", name), "there is no such time");
    *end = *time;
  }
  return span;
}

struct Page {
  json items = json::array();
  std::string next;
};

absl::StatusOr<Page> ById(const Call& call, const std::set<std::string>& ids, const Span& span,
                          const std::string& place, std::size_t most) {
  const auto stub = pb::JobService::NewStub(call.services().jobs);
  Page page;
  for (auto id = place.empty() ? ids.begin() : ids.upper_bound(place); id != ids.end(); ++id) {
    const absl::StatusOr<std::string> name = JobName(*id);
    if (!name.ok()) continue;
    pb::GetJobRequest request;
    request.set_name(*name);
    const absl::StatusOr<pb::Job> job = call.Ask(stub, &Stub::GetJob, request);
    if (absl::IsNotFound(job.status())) continue;
    if (!job.ok()) return job.status();
    if (!IsMgnJob(*job) || !span.Has(*job)) continue;
    page.items.push_back(JobJson(*job, call.place()));
    if (page.items.size() == most) {
      if (std::next(id) != ids.end()) page.next = *id;
      break;
    }
  }
  return page;
}

absl::StatusOr<Page> ByList(const Call& call, const Span& span, const std::string& place,
                            std::size_t most) {
  const auto stub = pb::JobService::NewStub(call.services().jobs);
  Page page{.next = place};
  for (int i = 0; i < kMostPages; ++i) {
    pb::ListJobsRequest request;
    request.set_page_token(page.next);
    request.set_page_size(static_cast<int>(std::min(kMostOfService, most - page.items.size())));
    ASSIGN_OR_RETURN(const pb::ListJobsResponse answer, call.Ask(stub, &Stub::ListJobs, request));
    page.next = answer.next_page_token();
    for (const pb::Job& job : answer.jobs()) {
      // Newest first: what follows is older still.
      if (ToTime(job.create_time()) < span.from) {
        page.next.clear();
        return page;
      }
      if (IsMgnJob(job) && span.Has(job)) page.items.push_back(JobJson(job, call.place()));
    }
    if (page.next.empty() || page.items.size() >= most) break;
  }
  return page;
}

absl::StatusOr<json> DescribeJobs(const Call& call, const json& input) {
  const json filters = input.value("filters", json::object());
  const std::string filter_text = filters.dump();
  ASSIGN_OR_RETURN(const std::string place, ParsePageToken(call.operation().name, filter_text,
                                                           input.value("nextToken", "")));
  ASSIGN_OR_RETURN(const Span span, SpanOf(filters));
  const auto ids = filters.value("jobIDs", std::set<std::string>());
  const std::size_t most = input.value("maxResults", kDefaultPage);
  ASSIGN_OR_RETURN(Page page, ids.empty() ? ByList(call, span, place, most)
                                          : ById(call, ids, span, place, most));
  json out = {{"items", std::move(page.items)}};
  const std::string next = PageToken(call.operation().name, filter_text, page.next);
  if (!next.empty()) out["nextToken"] = next;
  return out;
}

absl::StatusOr<json> DescribeJobLogItems(const Call& call, const json& input) {
  const std::string id = input["jobID"];
  ASSIGN_OR_RETURN(const std::string place,
                   ParsePageToken(call.operation().name, id, input.value("nextToken", "")));
  const std::size_t most = input.value("maxResults", kDefaultPage);
  pb::ListJobLogItemsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), JobName(id));
  request.set_page_token(place);
  request.set_page_size(static_cast<int>(std::min(kMostOfService, most)));
  ASSIGN_OR_RETURN(
      const pb::ListJobLogItemsResponse answer,
      call.Ask(pb::JobService::NewStub(call.services().jobs), &Stub::ListJobLogItems, request));
  json items = json::array();
  for (const pb::JobLogItem& item : answer.items()) {
    json shown = JobLogJson(item);
    if (!shown.is_null()) items.push_back(std::move(shown));
  }
  json out = {{"items", items}};
  const std::string next = PageToken(call.operation().name, id, answer.next_page_token());
  if (!next.empty()) out["nextToken"] = next;
  return out;
}

absl::StatusOr<json> DeleteJob(const Call& call, const json& input) {
  pb::DeleteJobRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), JobName(input["jobID"].get<std::string>()));
  RETURN_IF_ERROR(
      call.Ask(pb::JobService::NewStub(call.services().jobs), &Stub::DeleteJob, request).status());
  return json::object();
}

}  // namespace

OperationList JobCalls() {
  return {{"DescribeJobs", DescribeJobs},
          {"DescribeJobLogItems", DescribeJobLogItems},
          {"DeleteJob", DeleteJob}};
}

}  // namespace godwit::gateway::mgn
