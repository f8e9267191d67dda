#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/commands/point_export.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/replication_view.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using replication::v1::Point;
using replication::v1::PointRequest;
using replication::v1::ReplicationService;

constexpr absl::Duration kPoll = absl::Milliseconds(300);
constexpr absl::Duration kLongestRequest = absl::Hours(24);

absl::Status Print(Context& context, const Point& point) {
  if (context.json()) return PrintJson(context, point);
  PrintPoint(point, context.out());
  return absl::OkStatus();
}

Command List() {
  return {.words = "points list",
          .arguments = "SERVER",
          .purpose = "points in time, newest first",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            replication::v1::ListPointsRequest request;
            ASSIGN_OR_RETURN(*request.mutable_parent(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &ReplicationService::Stub::ListPoints, request));
            if (context.json()) return PrintJson(context, list);
            PrintPoints(list, context.out());
            registry::v1::GetSettingsRequest settings;
            settings.set_name(request.parent());
            const auto found =
                Call(context, &registry::v1::SourceServerService::Stub::GetReplicationSettings,
                     settings);
            if (found.ok()) context.out() << "\nkept: " << RetentionText(*found) << std::endl;
            return absl::OkStatus();
          }};
}

bool Over(const PointRequest& request) {
  return request.state() == PointRequest::SUCCEEDED || request.state() == PointRequest::FAILED;
}

absl::Status WaitForPoint(Context& context, PointRequest& asked, absl::Duration timeout) {
  const absl::Duration deadline = context.clock().Monotonic() + timeout;
  replication::v1::GetPointRequestRequest request;
  request.set_name(asked.name());
  Progress progress(context);
  while (!Over(asked)) {
    if (context.clock().Monotonic() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("the point is ", EnumWord(asked.state()),
                                                      " after ", Span(timeout),
                                                      "; it may still be made"));
    }
    progress.Show(absl::StrCat("point ", EnumWord(asked.state())), "", -1);
    context.clock().Sleep(kPoll);
    ASSIGN_OR_RETURN(asked, Call(context, &ReplicationService::Stub::GetPointRequest, request));
  }
  return absl::OkStatus();
}

Command Create() {
  struct Given {
    bool quiesce = false;
    std::string description;
    WaitOptions wait;
  };
  auto given = std::make_shared<Given>();
  return {.words = "points create",
          .arguments = "SERVER",
          .purpose = "asks for a fresh point",
          .least = 1,
          .most = 1,
          .options =
              [given](Options& options) {
                options.Bool("quiesce", &given->quiesce,
                             "run the source's quiesce hooks before the cut");
                options.String("description", &given->description, "TEXT", "for the point");
                given->wait.AddTo(options);
              },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            RETURN_IF_ERROR(given->wait.Check(context, options, "replication"));
            replication::v1::RequestPointRequest request;
            ASSIGN_OR_RETURN(*request.mutable_parent(), ServerName(context, arguments[0]));
            request.set_request_id(NewUuid());
            request.set_quiesce(given->quiesce);
            request.set_description(given->description);
            if (given->wait.wait) {
              *request.mutable_timeout() =
                  FromDuration(std::min(given->wait.timeout, kLongestRequest));
            }
            ASSIGN_OR_RETURN(PointRequest asked,
                             Call(context, &ReplicationService::Stub::RequestPoint, request));
            if (given->wait.wait)
              RETURN_IF_ERROR(WaitForPoint(context, asked, given->wait.timeout));
            if (asked.state() == PointRequest::FAILED) {
              return OperationFailed(absl::StrCat("no point: ", asked.error_message()));
            }
            if (asked.state() == PointRequest::SUCCEEDED && given->wait.wait)
              return Print(context, asked.point());
            if (context.json()) return PrintJson(context, asked);
            context.out() << "asked for a point (" << EnumWord(asked.state())
                          << "); godwit points list " << ShortName(request.parent())
                          << " will show it" << std::endl;
            return absl::OkStatus();
          }};
}

Command Pin(bool pinned) {
  return {.words = pinned ? "points pin" : "points unpin",
          .arguments = "SERVER POINT",
          .purpose = pinned ? "a pinned point never expires" : "the point may expire again",
          .least = 2,
          .most = 2,
          .run = [pinned](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            replication::v1::UpdatePointRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), PointName(server, arguments[1]));
            request.set_pinned(pinned);
            ASSIGN_OR_RETURN(const Point point,
                             Call(context, &ReplicationService::Stub::UpdatePoint, request));
            return Print(context, point);
          }};
}

Command Describe() {
  return {.words = "points describe",
          .arguments = "SERVER POINT TEXT",
          .purpose = "names a point; an empty text takes the name away",
          .least = 3,
          .most = 3,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            replication::v1::UpdatePointRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), PointName(server, arguments[1]));
            request.set_description(arguments[2]);
            ASSIGN_OR_RETURN(const Point point,
                             Call(context, &ReplicationService::Stub::UpdatePoint, request));
            return Print(context, point);
          }};
}

Command Delete() {
  return {.words = "points delete",
          .arguments = "SERVER POINT",
          .purpose = "removes a point that is not pinned and not in use",
          .least = 2,
          .most = 2,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            replication::v1::DeletePointRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), PointName(server, arguments[1]));
            ASSIGN_OR_RETURN(const auto answer,
                             Call(context, &ReplicationService::Stub::DeletePoint, request));
            if (context.json()) return PrintJson(context, answer);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> PointCommands() {
  return {List(), Create(), Pin(true), Pin(false), Describe(), Delete(), ExportPoint()};
}

}  // namespace godwit::cli
