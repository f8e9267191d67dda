#include "services/conversion/converter/addresses.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/address_text.h"
#include "services/conversion/converter/edit_file.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "network";
constexpr char kInterfaces[] = "etc/network/interfaces";
constexpr char kConnections[] = "etc/NetworkManager/system-connections";
constexpr char kRedHat[] = "etc/sysconfig/network-scripts";
constexpr char kSuse[] = "etc/sysconfig/network";

using Edit = std::string (*)(const std::string&, const Nic&);

// Files of a folder whose names end so, without copies of what was before.
std::vector<std::string> Files(const GuestRoot& root, const std::string& folder,
                               const std::string& begin, const std::string& end) {
  std::vector<std::string> files;
  for (const std::string& name : root.List(folder)) {
    if (absl::StartsWith(name, begin) && absl::EndsWith(name, end) && name[0] != '.' &&
        name != "ifcfg-lo" && !absl::StrContains(name, ".pre-migration"))
      files.push_back(absl::StrCat(folder, "/", name));
  }
  return files;
}

std::string Summary(const Nic& nic) {
  const std::string& name = nic.source_name.empty() ? nic.mac_address : nic.source_name;
  return absl::StrCat(name, nic.reset_to_dhcp ? " by DHCP" : " has " + nic.static_address);
}

// Edits those of `files` that are the card's; true when there was one.
absl::StatusOr<bool> EditOwn(GuestRoot& root, const std::vector<std::string>& files, const Nic& nic,
                             bool (*is_own)(const std::string&, const Nic&), Edit edit) {
  bool done = false;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = root.Read(file, kMaxConfiguration);
    if (!text.ok() || !is_own(*text, nic)) continue;
    RETURN_IF_ERROR(root.Write(kStep, file, edit(*text, nic), Summary(nic)));
    done = true;
  }
  return done;
}

bool NetplanHasIt(const std::string& text, const Nic& nic) {
  // Block style that knows the card comes back with an address for it.
  Nic probe = nic;
  probe.reset_to_dhcp = false;
  probe.static_address = "192.0.2.1/32";
  return EditNetplan(text, probe) != text;
}

absl::StatusOr<bool> EditIfcfg(GuestRoot& root, const std::string& folder, const Nic& nic,
                               Edit edit) {
  bool done = false;
  for (const std::string& file : Files(root, folder, "ifcfg-", "")) {
    const absl::StatusOr<std::string> text = root.Read(file, kMaxConfiguration);
    if (!text.ok() || !IsIfcfgOf(file.substr(folder.size() + 1), *text, nic)) continue;
    RETURN_IF_ERROR(root.Write(kStep, file, edit(*text, nic), Summary(nic)));
    done = true;
  }
  return done;
}

// SUSE keeps routes of all cards in one file, or a card's in its own.
absl::Status EditRoutes(GuestRoot& root, const Nic& nic) {
  const std::string own = absl::StrCat(kSuse, "/ifroute-", nic.source_name);
  const std::string all = absl::StrCat(kSuse, "/routes");
  const bool in_own = root.Exists(own), add = !nic.gateway.empty();
  if (!add && !nic.reset_to_dhcp) return absl::OkStatus();
  RETURN_IF_ERROR(EditFile(root, kStep, own, Summary(nic), [&](const std::string& text) {
    return EditSuseRoutes(text, nic, add);
  }));
  const std::string before = root.Read(all, kMaxConfiguration).value_or("");
  const std::string after = EditSuseRoutes(before, nic, add && !in_own);
  return after == before ? absl::OkStatus() : root.Write(kStep, all, after, Summary(nic));
}

absl::StatusOr<bool> EditConfigured(GuestRoot& root, const Nic& nic) {
  std::vector<std::string> interfaces = Files(root, "etc/network/interfaces.d", "", "");
  interfaces.emplace_back(kInterfaces);
  bool done = false;
  ASSIGN_OR_RETURN(
      done, EditOwn(root, Files(root, "etc/netplan", "", ".yaml"), nic, NetplanHasIt, EditNetplan));
  ASSIGN_OR_RETURN(const bool keyfile,
                   EditOwn(root, Files(root, kConnections, "", ""), nic, IsKeyfileOf, EditKeyfile));
  ASSIGN_OR_RETURN(const bool networkd,
                   EditOwn(root, Files(root, "etc/systemd/network", "", ".network"), nic,
                           IsNetworkdOf, EditNetworkd));
  ASSIGN_OR_RETURN(const bool interface,
                   EditOwn(root, interfaces, nic, HasInterface, EditInterfaces));
  ASSIGN_OR_RETURN(const bool red_hat, EditIfcfg(root, kRedHat, nic, EditRedHatIfcfg));
  ASSIGN_OR_RETURN(const bool suse, EditIfcfg(root, kSuse, nic, EditSuseIfcfg));
  if (suse) RETURN_IF_ERROR(EditRoutes(root, nic));
  // A gateway for all cards would win over the card's own.
  if (red_hat && (nic.reset_to_dhcp || !nic.gateway.empty())) {
    RETURN_IF_ERROR(
        EditFile(root, kStep, "etc/sysconfig/network", Summary(nic), DropRedHatGateway));
  }
  // What cloud-init was told is not read any more (99-zz-godwit.cfg); it is kept true all the same.
  RETURN_IF_ERROR(EditOwn(root, Files(root, "etc/cloud/cloud.cfg.d", "", ".cfg"), nic, NetplanHasIt,
                          EditNetplan)
                      .status());
  return done || keyfile || networkd || interface || red_hat || suse;
}

// A configuration of its own for a card that had none. False: no kind is known.
absl::StatusOr<bool> ConfigureAnew(GuestRoot& root, const Nic& nic) {
  const std::string& name = nic.source_name;
  if (name.empty()) return false;
  const auto put = [&](const std::string& path, const std::string& text) {
    return root.Write(kStep, path, text, Summary(nic), /*keep=*/true, /*mode=*/0600);
  };
  if (!Files(root, "etc/netplan", "", ".yaml").empty()) {
    RETURN_IF_ERROR(put(absl::StrCat("etc/netplan/90-godwit-", name, ".yaml"), NewNetplan(nic)));
  } else if (root.Exists(absl::StrCat(kSuse, "/config"))) {
    RETURN_IF_ERROR(put(absl::StrCat(kSuse, "/ifcfg-", name), NewSuseIfcfg(nic)));
    RETURN_IF_ERROR(EditRoutes(root, nic));
  } else if (!Files(root, kRedHat, "ifcfg-", "").empty()) {
    RETURN_IF_ERROR(put(absl::StrCat(kRedHat, "/ifcfg-", name), NewRedHatIfcfg(nic)));
  } else if (root.Exists("usr/sbin/NetworkManager") || root.Exists(kConnections)) {
    RETURN_IF_ERROR(
        put(absl::StrCat(kConnections, "/godwit-", name, ".nmconnection"), NewKeyfile(nic)));
  } else if (!Files(root, "etc/systemd/network", "", ".network").empty()) {
    // Read by a user of its own, systemd-network: no secret is in it.
    RETURN_IF_ERROR(root.Write(kStep,
                               absl::StrCat("etc/systemd/network/10-godwit-", name, ".network"),
                               NewNetworkd(nic), Summary(nic)));
  } else if (root.Exists(kInterfaces)) {
    RETURN_IF_ERROR(EditFile(root, kStep, kInterfaces, Summary(nic),
                             [&](const std::string& text) { return text + NewInterface(nic); }));
  } else {
    return false;
  }
  return true;
}

}  // namespace

absl::Status ConvertAddresses(GuestRoot& root, const std::vector<Nic>& nics,
                              std::vector<std::string>* kinds, Findings* findings) {
  const std::pair<const char*, bool> all[] = {
      {"netplan", !Files(root, "etc/netplan", "", ".yaml").empty()},
      {"networkmanager", !Files(root, kConnections, "", "").empty()},
      {"ifcfg",
       !Files(root, kRedHat, "ifcfg-", "").empty() || !Files(root, kSuse, "ifcfg-", "").empty()},
      {"networkd", !Files(root, "etc/systemd/network", "", ".network").empty()},
      {"ifupdown", root.Exists(kInterfaces)},
      {"cloud-init", root.Exists("etc/cloud/cloud.cfg")}};
  for (const auto& [kind, there] : all) {
    if (there) kinds->emplace_back(kind);
  }
  for (const Nic& nic : nics) {
    if (nic.static_address.empty() && !nic.reset_to_dhcp) continue;
    ASSIGN_OR_RETURN(bool done, EditConfigured(root, nic));
    if (!done) {
      ASSIGN_OR_RETURN(done, ConfigureAnew(root, nic));
    }
    if (done) continue;
    findings->push_back(
        {"WARNING", "ADDRESS_NOT_SET",
         absl::StrCat("no network configuration was found in which ", Summary(nic), " can be set"),
         "set it on the source, or on the launched machine by its console"});
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
