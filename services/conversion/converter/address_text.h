// The IPv4 address of a network card in each kind of configuration that Linux systems have. Pure
// functions on text: what is not about that card's IPv4 address (IPv6, name servers, routes other
// than the default one) stays as it is.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/network.h"

namespace godwit::convert {

// INVALID_ARGUMENT names the field of a card's settings that is no IPv4 address.
absl::Status CheckAddresses(const Nic& nic);

// "255.255.255.0" for the 24 behind the slash of static_address.
std::string Netmask(const Nic& nic);
// static_address without its length.
std::string PlainAddress(const Nic& nic);

// Red Hat's ifcfg-NAME (sysconfig.txt of initscripts): BOOTPROTO, IPADDR, PREFIX, GATEWAY.
std::string EditRedHatIfcfg(const std::string& text, const Nic& nic);
// /etc/sysconfig/network without its GATEWAY.
std::string DropRedHatGateway(const std::string& text);
// SUSE's ifcfg-NAME (ifcfg(5)): BOOTPROTO and IPADDR='address/length'; its routes are files of
// their own.
std::string EditSuseIfcfg(const std::string& text, const Nic& nic);
// routes and ifroute-NAME (ifroute(5)): the default route is left out, and the new one added when
// `add`.
std::string EditSuseRoutes(const std::string& text, const Nic& nic, bool add);
// NetworkManager's keyfile (nm-settings-keyfile(5)): section [ipv4].
std::string EditKeyfile(const std::string& text, const Nic& nic);
// A .network file of systemd (systemd.network(5)): Address=, Gateway= and DHCP= of [Network].
std::string EditNetworkd(const std::string& text, const Nic& nic);
// interfaces(5): the stanza "iface NAME inet".
std::string EditInterfaces(const std::string& text, const Nic& nic);
// Netplan (netplan(5)): the entry below "ethernets:" with this name, set-name or hardware address,
// in block style. Entries in flow style ({...}) are left alone, as is what the text does not have.
std::string EditNetplan(const std::string& text, const Nic& nic);

// Whether a configuration is the card's: by its name or (new) hardware address.
bool IsIfcfgOf(const std::string& file_name, const std::string& text, const Nic& nic);
bool IsKeyfileOf(const std::string& text, const Nic& nic);
bool IsNetworkdOf(const std::string& text, const Nic& nic);
bool HasInterface(const std::string& text, const Nic& nic);

// A whole configuration for a card that had none, in each kind.
std::string NewKeyfile(const Nic& nic);
std::string NewNetworkd(const Nic& nic);
std::string NewNetplan(const Nic& nic);
std::string NewRedHatIfcfg(const Nic& nic);
std::string NewSuseIfcfg(const Nic& nic);
std::string NewInterface(const Nic& nic);

}  // namespace godwit::convert
