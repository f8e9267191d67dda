#include "services/common/base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/json_log.h"

namespace godwit {
namespace {

struct Rule {
  std::string site;
  int pass = 0;  // 0 = every pass
  std::string action;
};

struct Failpoints {
  absl::Mutex mutex;
  std::vector<Rule> rules;
  std::map<std::string, int> passes ABSL_GUARDED_BY(mutex);

  Failpoints() {
    const char* text = std::getenv("GODWIT_FAILPOINT");
    if (text == nullptr) return;
    for (const absl::string_view entry : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      const std::vector<std::string> parts = absl::StrSplit(entry, ':');
      Rule rule;
      const bool good =
          parts.size() == 3 &&
          (parts[1] == "*" || (absl::SimpleAtoi(parts[1], &rule.pass) && rule.pass > 0));
      if (!good) {
        Log(Severity::kError, "GODWIT_FAILPOINT: not site:n:action",
            {{"entry", std::string(entry)}});
        std::abort();
      }
      rule.site = parts[0];
      rule.action = parts[2];
      rules.push_back(rule);
    }
  }
};

absl::Status Act(const Rule& rule) {
  Log(Severity::kWarning, "failpoint", {{"site", rule.site}, {"action", rule.action}});
  absl::string_view action = rule.action;
  int delay_ms = 0;
  if (action == "crash") {
    kill(getpid(), SIGKILL);
    pause();
  } else if (action == "stop") {
    raise(SIGSTOP);  // to this thread: it goes no further, not even a little
  } else if (action == "error") {
    return absl::UnavailableError(absl::StrCat("failpoint ", rule.site));
  } else if (absl::ConsumePrefix(&action, "delay=") && absl::SimpleAtoi(action, &delay_ms)) {
    absl::SleepFor(absl::Milliseconds(delay_ms));
  } else {
    Log(Severity::kError, "GODWIT_FAILPOINT: unknown action", {{"action", rule.action}});
    std::abort();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status HitFailpoint(absl::string_view site) {
  static Failpoints failpoints;
  if (failpoints.rules.empty()) return absl::OkStatus();
  int pass = 0;
  {
    absl::MutexLock lock(&failpoints.mutex);
    pass = ++failpoints.passes[std::string(site)];
  }
  for (const Rule& rule : failpoints.rules) {
    if (rule.site == site && (rule.pass == 0 || rule.pass == pass)) return Act(rule);
  }
  return absl::OkStatus();
}

}  // namespace godwit
