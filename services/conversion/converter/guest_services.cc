#include "services/conversion/converter/guest_services.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"

namespace godwit::convert {
namespace {

constexpr char kUnits[] = "etc/systemd/system";
constexpr const char* kPackagedUnits[] = {"usr/lib/systemd/system", "lib/systemd/system"};

std::string PackagedUnit(const GuestRoot& root, const std::string& unit) {
  for (const char* folder : kPackagedUnits) {
    if (root.Exists(absl::StrCat(folder, "/", unit))) return absl::StrCat(folder, "/", unit);
  }
  return "";
}

// A start link is taken away; where it pointed to is said, so that it can be made again.
absl::Status RemoveLink(GuestRoot& root, const std::string& step, const std::string& link,
                        const std::string& why) {
  const std::string target = root.ReadLink(link);
  return root.Remove(
      step, link,
      absl::StrCat("not started: ", why, target.empty() ? "" : "; a link to " + target));
}

// Links to `unit` in the folders that start units with others.
std::vector<std::string> Wants(const GuestRoot& root, const std::string& unit) {
  std::vector<std::string> links;
  for (const std::string& folder : root.List(kUnits)) {
    if (!absl::EndsWith(folder, ".wants") && !absl::EndsWith(folder, ".requires")) continue;
    const std::string link = absl::StrCat(kUnits, "/", folder, "/", unit);
    if (root.IsSymlink(link) || root.Exists(link)) links.push_back(link);
  }
  return links;
}

absl::StatusOr<bool> DisableUnit(GuestRoot& root, const std::string& step, const std::string& unit,
                                 const std::string& why) {
  const std::string own = absl::StrCat(kUnits, "/", unit);
  if (root.ReadLink(own) == "/dev/null") return true;
  if (!PackagedUnit(root, unit).empty() && !root.IsSymlink(own) && !root.Exists(own)) {
    RETURN_IF_ERROR(root.Link(step, own, "/dev/null", absl::StrCat("masked: ", why)));
    return true;
  }
  // The administrator's own unit stays and is not started.
  const std::vector<std::string> wants = Wants(root, unit);
  for (const std::string& link : wants) RETURN_IF_ERROR(RemoveLink(root, step, link, why));
  return root.IsSymlink(own) || root.Exists(own) || !wants.empty();
}

// S20name -> true for "name".
bool IsStartLink(const std::string& link, const std::string& name) {
  return link.size() == name.size() + 3 && link[0] == 'S' &&
         absl::ascii_isdigit(static_cast<unsigned char>(link[1])) &&
         absl::ascii_isdigit(static_cast<unsigned char>(link[2])) && absl::EndsWith(link, name);
}

absl::StatusOr<bool> RemoveStartLinks(GuestRoot& root, const std::string& step,
                                      const std::string& name, const std::string& why) {
  bool found = root.Exists("etc/init.d/" + name) || root.Exists("etc/rc.d/init.d/" + name);
  if (!found) return false;
  // Debian: /etc/rcN.d; Red Hat: /etc/rc.d/rcN.d; SUSE: /etc/init.d/rcN.d. Some are symlinks to
  // others: a link is then gone the second time.
  for (const char* folder : {"etc/rc", "etc/rc.d/rc", "etc/init.d/rc"}) {
    for (const char level : std::string("S12345")) {
      const std::string links = absl::StrCat(folder, std::string(1, level), ".d");
      for (const std::string& link : root.List(links)) {
        if (!IsStartLink(link, name)) continue;
        RETURN_IF_ERROR(
            root.Remove(step, absl::StrCat(links, "/", link), absl::StrCat("not started: ", why)));
      }
    }
  }
  for (const std::string& level : root.List("etc/runlevels")) {
    RETURN_IF_ERROR(RemoveLink(root, step, absl::StrCat("etc/runlevels/", level, "/", name), why));
  }
  return found;
}

}  // namespace

std::string FindInitSystem(const GuestRoot& root) {
  for (const char* path : {"usr/lib/systemd/systemd", "lib/systemd/systemd"}) {
    // Ubuntu 14.04 has parts of systemd and starts by upstart.
    if (root.Exists(path) && !root.Exists("sbin/upstart-udev-bridge")) return "systemd";
  }
  if (root.Exists("sbin/initctl") && !root.List("etc/init").empty()) return "upstart";
  if (root.Exists("sbin/openrc") || root.Exists("etc/runlevels")) return "openrc";
  if (root.Exists("etc/inittab") || root.Exists("etc/init.d")) return "sysv";
  return "";
}

std::string DisableUpstartJob(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  int depth = 0;
  bool inside = false;
  for (std::string& line : lines) {
    const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(line);
    const std::vector<absl::string_view> words =
        absl::StrSplit(trimmed, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (!inside) {
      if (words.size() < 2 || words[0] != "start" || words[1] != "on") continue;
      depth = 0;
    }
    for (const char c : line) depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    inside = depth > 0 || absl::EndsWith(line, "\\");
    line = absl::StrCat("#", line);
  }
  return absl::StrJoin(lines, "\n");
}

absl::StatusOr<bool> DisableService(GuestRoot& root, const std::string& step,
                                    const std::string& name, const std::string& why) {
  bool found = false;
  // Names with an ending are units that are no services.
  const bool whole = absl::EndsWith(name, ".mount") || absl::EndsWith(name, ".timer");
  ASSIGN_OR_RETURN(found, DisableUnit(root, step, whole ? name : name + ".service", why));
  if (whole) return found;
  ASSIGN_OR_RETURN(const bool script, RemoveStartLinks(root, step, name, why));
  const std::string job = absl::StrCat("etc/init/", name, ".conf");
  if (root.Exists(job)) {
    found = true;
    RETURN_IF_ERROR(
        EditFile(root, step, job, absl::StrCat("not started: ", why), DisableUpstartJob));
  }
  return found || script;
}

absl::StatusOr<bool> EnableService(GuestRoot& root, const std::string& step,
                                   const std::string& name, const std::string& wanted_by,
                                   const std::string& why) {
  const std::string init = FindInitSystem(root);
  if (init == "systemd") {
    const std::string unit = name + ".service", own = absl::StrCat(kUnits, "/", unit);
    const std::string packaged = PackagedUnit(root, unit);
    if (packaged.empty() || root.IsSymlink(own) || root.Exists(own)) return false;
    if (!Wants(root, unit).empty()) return false;
    RETURN_IF_ERROR(root.Link(step, absl::StrCat(kUnits, "/", wanted_by, ".wants/", unit),
                              "/" + packaged, why));
    return true;
  }
  if (init == "openrc" && root.Exists("etc/init.d/" + name)) {
    for (const std::string& level : root.List("etc/runlevels")) {
      if (root.IsSymlink(absl::StrCat("etc/runlevels/", level, "/", name))) return false;
    }
    RETURN_IF_ERROR(root.Link(step, "etc/runlevels/default/" + name, "/etc/init.d/" + name, why));
    return true;
  }
  return false;
}

}  // namespace godwit::convert
