#include "cli/event_filter.h"

#include "cli/format.h"
#include "cli/names.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {

using registry::v1::Event;
using registry::v1::EventFilter;

void EventFilterOptions::AddTo(Options& options) {
  options.Strings("type", &types_, "TYPE", "only these, for example server-state-changed");
  options.Strings("server", &servers_, "SERVER", "only of these servers");
  options.Strings("application", &applications_, "APP", "only of these and their servers");
  options.Strings("wave", &waves_, "WAVE", "only of these, their applications and servers");
}

bool EventFilterOptions::Given(const Options& options) const {
  return options.Given("type") || options.Given("server") || options.Given("application") ||
         options.Given("wave");
}

absl::StatusOr<EventFilter> EventFilterOptions::Filter(Context& context) const {
  EventFilter filter;
  for (const std::string& text : types_) {
    ASSIGN_OR_RETURN(const int type, ParseEnum("type", Event::Type_descriptor(), text));
    filter.add_types(static_cast<Event::Type>(type));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> servers, ServerNames(context, servers_));
  filter.mutable_source_servers()->Assign(servers.begin(), servers.end());
  for (const std::string& text : applications_) {
    ASSIGN_OR_RETURN(*filter.add_applications(),
                     SimpleName("application", "applications", "app-", text));
  }
  for (const std::string& text : waves_) {
    ASSIGN_OR_RETURN(*filter.add_waves(), SimpleName("wave", "waves", "wave-", text));
  }
  return filter;
}

}  // namespace godwit::cli
