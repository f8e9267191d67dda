#include "services/replication/coordinator/rpc/point_calls.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/convert.h"
#include "services/replication/coordinator/rpc/fields.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr absl::Duration kDefaultPointTimeout = absl::Minutes(10);
constexpr absl::Duration kMostPointTimeout = absl::Hours(24);
// Callers with longer deadlines ask again; so a call does not hold its thread for minutes.
constexpr absl::Duration kCloneWait = absl::Seconds(30);
constexpr absl::Duration kCloneMargin = absl::Seconds(1);

std::string RequestName(const store::PointRequest& request) {
  return absl::StrCat("sourceServers/", request.server_id, "/pointRequests/", request.id);
}

void WriteProgress(const Points::Progress& progress, pb::PointRequest* out) {
  out->set_name(RequestName(progress.request));
  out->set_state(static_cast<pb::PointRequest::State>(progress.request.state));
  if (progress.point) ToProto(*progress.point, out->mutable_point());
  out->set_error_message(progress.request.error_message);
}

// Of lists that go by a falling number; 0 for the first page.
absl::StatusOr<std::int64_t> NumberToken(const std::string& page_token) {
  std::int64_t before = 0;
  if (!page_token.empty() && (!absl::SimpleAtoi(page_token, &before) || before < 1)) {
    return rpc::FieldError("page_token", "is none of this list");
  }
  return before;
}

}  // namespace

grpc::Status PointCalls::RequestPoint(grpc::ServerContext* context,
                                      const pb::RequestPointRequest* request,
                                      pb::PointRequest* response) {
  return rpc::Serve(
      context, "replication.RequestPoint", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
        store::PointRequest in{.id = request->request_id(),
                               .quiesce = request->quiesce(),
                               .stay_quiesced = request->stay_quiesced(),
                               .description = request->description(),
                               .timeout = kDefaultPointTimeout};
        ASSIGN_OR_RETURN(in.server_id, ServerId("parent", request->parent()));
        RETURN_IF_ERROR(CheckRequestId(in.id));
        RETURN_IF_ERROR(CheckText("description", in.description, 256));
        if (in.stay_quiesced && !in.quiesce) {
          return rpc::FieldError("stay_quiesced", "needs quiesce");
        }
        if (request->has_timeout()) {
          ASSIGN_OR_RETURN(in.timeout,
                           ToDuration("timeout", request->timeout(), kMostPointTimeout));
          if (in.timeout < absl::Seconds(1)) {
            return rpc::FieldError("timeout", "is less than 1 s");
          }
          in.timeout = absl::Ceil(in.timeout, absl::Seconds(1));
        }
        ASSIGN_OR_RETURN(const Points::Progress progress, points_.Request(in));
        WriteProgress(progress, response);
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::GetPointRequest(grpc::ServerContext* context,
                                         const pb::GetPointRequestRequest* request,
                                         pb::PointRequest* response) {
  return rpc::Serve(context, "replication.GetPointRequest", rpc::kReaders,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const ChildName name,
                                       ParseChild("name", "pointRequests", "", request->name()));
                      ASSIGN_OR_RETURN(const Points::Progress progress,
                                       points_.GetRequest(name.server_id, name.id));
                      WriteProgress(progress, response);
                      return absl::OkStatus();
                    });
}

grpc::Status PointCalls::GetPoint(grpc::ServerContext* context,
                                  const pb::GetPointRequestByName* request, pb::Point* response) {
  return rpc::Serve(
      context, "replication.GetPoint", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const ChildName name, ParseChild("name", "points", "p-", request->name()));
        ASSIGN_OR_RETURN(const store::Point point, points_.Get(name.server_id, name.id));
        ToProto(point, response);
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::ListPoints(grpc::ServerContext* context,
                                    const pb::ListPointsRequest* request,
                                    pb::ListPointsResponse* response) {
  return rpc::Serve(
      context, "replication.ListPoints", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string server, ServerId("parent", request->parent()));
        ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
        ASSIGN_OR_RETURN(const std::int64_t before, NumberToken(request->page_token()));
        ASSIGN_OR_RETURN(const std::vector<store::Point> points,
                         points_.List(server, before, size + 1));
        for (int i = 0; i < std::min<int>(size, static_cast<int>(points.size())); ++i) {
          ToProto(points[static_cast<std::size_t>(i)], response->add_points());
        }
        if (static_cast<int>(points.size()) > size) {
          response->set_next_page_token(
              absl::StrCat(points[static_cast<std::size_t>(size) - 1].epoch));
        }
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::UpdatePoint(grpc::ServerContext* context,
                                     const pb::UpdatePointRequest* request, pb::Point* response) {
  return rpc::Serve(
      context, "replication.UpdatePoint", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const ChildName name, ParseChild("name", "points", "p-", request->name()));
        std::optional<std::string> description;
        std::optional<bool> pinned;
        if (request->has_description()) description = request->description();
        if (request->has_pinned()) pinned = request->pinned();
        RETURN_IF_ERROR(CheckText("description", request->description(), 256));
        ASSIGN_OR_RETURN(const store::Point point,
                         points_.Update(name.server_id, name.id, description, pinned));
        ToProto(point, response);
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::DeletePoint(grpc::ServerContext* context,
                                     const pb::DeletePointRequest* request,
                                     pb::DeletePointResponse*) {
  return rpc::Serve(
      context, "replication.DeletePoint", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const ChildName name, ParseChild("name", "points", "p-", request->name()));
        return points_.Delete(name.server_id, name.id);
      });
}

grpc::Status PointCalls::VerifyReplication(grpc::ServerContext* context,
                                           const pb::VerifyReplicationRequest* request,
                                           pb::Verification* response) {
  return rpc::Serve(context, "replication.VerifyReplication", rpc::kWriters,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string server,
                                       ServerId("parent", request->parent()));
                      RETURN_IF_ERROR(CheckRequestId(request->request_id()));
                      ASSIGN_OR_RETURN(const Verification verification,
                                       verifications_.Request(server, request->request_id()));
                      ToProto(verification, response);
                      return absl::OkStatus();
                    });
}

grpc::Status PointCalls::GetVerification(grpc::ServerContext* context,
                                         const pb::GetVerificationRequest* request,
                                         pb::Verification* response) {
  return rpc::Serve(context, "replication.GetVerification", rpc::kReaders,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const ChildName name,
                                       ParseChild("name", "verifications", "", request->name()));
                      ASSIGN_OR_RETURN(const Verification verification,
                                       verifications_.Get(name.server_id, name.id));
                      ToProto(verification, response);
                      return absl::OkStatus();
                    });
}

grpc::Status PointCalls::ListVerifications(grpc::ServerContext* context,
                                           const pb::ListVerificationsRequest* request,
                                           pb::ListVerificationsResponse* response) {
  return rpc::Serve(
      context, "replication.ListVerifications", rpc::kReaders,
      [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string server, ServerId("parent", request->parent()));
        ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
        ASSIGN_OR_RETURN(const std::int64_t before, NumberToken(request->page_token()));
        ASSIGN_OR_RETURN(std::vector<Verification> found,
                         verifications_.List(server, before, size + 1));
        if (static_cast<int>(found.size()) > size) {
          found.pop_back();
          response->set_next_page_token(absl::StrCat(found.back().ordinal));
        }
        for (const Verification& each : found) ToProto(each, response->add_verifications());
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::CreateClone(grpc::ServerContext* context,
                                     const pb::CreateCloneRequest* request, pb::Clone* response) {
  return rpc::Serve(
      context, "replication.CreateClone", rpc::kWriters,
      [&](const rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const ChildName name,
                         ParseChild("point", "points", "p-", request->point(), /*wildcard=*/true));
        RETURN_IF_ERROR(CheckRequestId(request->request_id()));
        const absl::Time until = std::min(call.deadline - kCloneMargin, SteadyNow() + kCloneWait);
        ASSIGN_OR_RETURN(const store::Clone clone,
                         points_.CreateClone(name.server_id, name.id, request->request_id(), until,
                                             [context] { return context->IsCancelled(); }));
        ToProto(clone, response);
        return absl::OkStatus();
      });
}

grpc::Status PointCalls::DeleteClone(grpc::ServerContext* context,
                                     const pb::DeleteCloneRequest* request,
                                     pb::DeleteCloneResponse*) {
  return rpc::Serve(
      context, "replication.DeleteClone", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const ChildName name, ParseChild("name", "clones", "c-", request->name()));
        return points_.DeleteClone(name.server_id, name.id);
      });
}

}  // namespace godwit::coordinator
