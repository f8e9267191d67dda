// Which of several Linux systems on the disks is the one that the source runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace godwit::convert {

// root= of the entry that a grub.cfg boots by default; "" when it names none. `environment`: the
// text of its grubenv, where a saved choice is.
std::string DefaultRoot(const std::string& grub_cfg, const std::string& environment);

// The same of one entry of the Boot Loader Specification ("options root=..."), whose $kernelopts
// are in the environment.
std::string EntryRoot(const std::string& entry, const std::string& environment);

// The id of the entry that grubenv saved; "" none.
std::string SavedEntry(const std::string& environment);

struct Candidate {
  std::string name;         // of its volume, for people
  std::string full_string;  // of os-release
  bool boots = false;       // it has a kernel with its modules
};

struct RootChoice {
  std::size_t index = 0;
  std::string reason;  // for people
};
// `roots`: what the boot loaders' default entries name, in the order of the disks, as indices of
// candidates (those that are none left out). `candidates` is not empty.
RootChoice ChooseRoot(const std::vector<Candidate>& candidates,
                      const std::vector<std::size_t>& roots);

}  // namespace godwit::convert
