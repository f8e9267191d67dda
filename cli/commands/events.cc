// events.
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/event_filter.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/watch.h"
#include "godwit/registry/v1/event_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::Event;
using registry::v1::EventService;

struct Given {
  std::string since;
  bool follow = false;
  EventFilterOptions filter;
};

absl::Status Print(Context& context, const Event& event) {
  if (context.json()) return PrintJson(context, event, /*one_line=*/true);
  std::string line =
      absl::StrFormat("%s  %-20s %-24s %-16s", When(event.time()), EnumWord(event.type()),
                      ShortName(event.resource()), Plain(event.display_name()));
  if (event.lifecycle_state() != registry::v1::SourceServer::LIFECYCLE_STATE_UNSPECIFIED) {
    absl::StrAppend(&line, "  ", EnumWord(event.lifecycle_state()));
  }
  if (!event.cause().empty()) {
    absl::StrAppend(&line, "  ", Plain(event.cause()), " by ", Plain(event.principal()));
  }
  context.out() << line << std::endl;
  return context.out().good() ? absl::OkStatus() : absl::CancelledError("nobody reads any more");
}

absl::Status List(Context& context, const std::string& since,
                  const registry::v1::EventFilter& filter) {
  registry::v1::ListEventsRequest request;
  request.set_since(since);
  request.set_page_size(500);
  *request.mutable_filter() = filter;
  bool more = true;
  while (more) {
    ASSIGN_OR_RETURN(const registry::v1::ListEventsResponse page,
                     Call(context, &EventService::Stub::ListEvents, request));
    for (const Event& event : page.events()) RETURN_IF_ERROR(Print(context, event));
    more = page.more();
    request.set_since(page.next_token());
  }
  context.err() << "later ones: --since " << request.since() << std::endl;
  return absl::OkStatus();
}

// After a break it goes on from the last token, so nothing is missed and nothing comes twice.
absl::Status Follow(Context& context, const std::string& since,
                    const registry::v1::EventFilter& filter) {
  registry::v1::WatchEventsRequest request;
  request.set_since(since);
  *request.mutable_filter() = filter;
  absl::Status printed;
  const absl::Status watched =
      Watch(context, &EventService::Stub::WatchEvents, request, absl::InfiniteDuration(),
            std::function<bool(const registry::v1::WatchEventsResponse&)>(
                [&](const registry::v1::WatchEventsResponse& message) {
                  if (message.has_event()) printed = Print(context, message.event());
                  if (printed.ok()) request.set_since(message.token());
                  return printed.ok();
                }));
  if (!watched.ok()) context.err() << "the last token: " << request.since() << std::endl;
  return printed.ok() ? watched : printed;
}

}  // namespace

std::vector<Command> EventCommands() {
  auto given = std::make_shared<Given>();
  return {{.words = "events",
           .purpose = "what changed, oldest first; with --follow until interrupted",
           .options =
               [given](Options& options) {
                 options.Bool("follow", &given->follow, "stay, and print what comes");
                 options.String("since", &given->since, "TOKEN",
                                "events after this token [the oldest kept; with --follow: from "
                                "now]");
                 given->filter.AddTo(options);
               },
           .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
             ASSIGN_OR_RETURN(const registry::v1::EventFilter filter,
                              given->filter.Filter(context));
             return given->follow ? Follow(context, given->since, filter)
                                  : List(context, given->since, filter);
           }}};
}

}  // namespace godwit::cli
