#include "services/jobs/steps/machine_nics.h"

#include <algorithm>
#include <set>

#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"

namespace godwit::jobs {

std::vector<std::string> MachineMacs(const Run& run) {
  constexpr std::size_t kMost = 8;
  const std::vector<SourceNic> sources = GetServer(run.outputs).nics;
  const std::vector<Nic>& wanted = run.input.settings.nics;
  const std::size_t count =
      std::clamp<std::size_t>(std::max(sources.size(), wanted.size()), 1, kMost);
  const std::string machine = MachineId(run.job_id, run.input.server);
  std::vector<std::string> out;
  std::set<std::string> used;
  for (std::size_t i = 0; i < count; ++i) {
    std::string mac;
    if (i < wanted.size()) mac = wanted[i].mac_address;
    if (mac.empty() && i < sources.size() && IsMac(sources[i].mac_address)) {
      mac = sources[i].mac_address;
    }
    // Bonds and bridges of the source show one address several times.
    if (mac.empty() || used.contains(mac)) mac = DerivedMac(machine, static_cast<int>(i));
    used.insert(mac);
    out.push_back(mac);
  }
  return out;
}

}  // namespace godwit::jobs
