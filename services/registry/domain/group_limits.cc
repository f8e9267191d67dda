#include "services/registry/domain/group_limits.h"

#include "absl/strings/str_cat.h"

namespace godwit::registry {

Quota GroupQuota(const GroupLimits& limits, bool waves, bool archived, std::int64_t used) {
  Quota quota{.used = used,
              .advice = archived ? "delete some of them" : "archive or delete some of them"};
  if (waves) {
    quota.code = archived ? "ARCHIVED_WAVES" : "ACTIVE_WAVES";
    quota.limit = archived ? limits.archived_waves : limits.active_waves;
  } else {
    quota.code = archived ? "ARCHIVED_APPLICATIONS" : "ACTIVE_APPLICATIONS";
    quota.limit = archived ? limits.archived_applications : limits.active_applications;
  }
  const char* noun = waves ? "waves" : "applications";
  quota.title =
      archived ? absl::StrCat("archived ", noun) : absl::StrCat(noun, " that are not archived");
  quota.option = absl::StrCat("quota-", archived ? "archived-" : "active-", noun);
  return quota;
}

Quota MemberQuota(const GroupLimits& limits, bool of_wave, const std::string& group,
                  std::optional<std::int64_t> used) {
  Quota quota{.used = used,
              .option = of_wave ? "quota-applications-per-wave" : "quota-servers-per-application",
              .advice = of_wave ? "use another wave" : "use another application"};
  quota.code = of_wave ? "APPLICATIONS_PER_WAVE" : "SERVERS_PER_APPLICATION";
  quota.limit = of_wave ? limits.applications_per_wave : limits.servers_per_application;
  const char* each = of_wave ? "a wave" : "an application";
  quota.title = absl::StrCat(of_wave ? "applications" : "servers", " in ",
                             group.empty() ? std::string(each) : group);
  return quota;
}

}  // namespace godwit::registry
