// Tags of templates themselves, of each half its own: not those that new servers get.
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/changes.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/tag_holders.h"
#include "services/gateway/mgn/rpc/template_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;

TagHolder Holder(Half half) {
  return {.type = TemplateArnType(half),
          .read = [half](const Call& call, const std::string& id) -> absl::StatusOr<Tags> {
            ASSIGN_OR_RETURN(pb::SettingsTemplate found, FindTemplate(call, half, id));
            return *TemplateTags(half, &found);
          },
          .change =
              [half](const Call& call, const std::string& id,
                     const std::function<void(Tags&)>& change) {
                const char* field = half == Half::kReplication ? "replication_tags" : "launch_tags";
                return ChangeTemplate(call, half, id, {field},
                                      [&](pb::SettingsTemplate* one) {
                                        Tags& tags = *TemplateTags(half, one);
                                        change(tags);
                                        return CheckTags("tags", TagsJson(tags));
                                      })
                    .status();
              }};
}

}  // namespace

TagHolder ReplicationTemplateTags() { return Holder(Half::kReplication); }
TagHolder LaunchTemplateTags() { return Holder(Half::kLaunch); }

}  // namespace godwit::gateway::mgn
