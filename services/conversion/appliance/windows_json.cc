#include "services/conversion/appliance/windows_json.h"

namespace godwit::conversion {
namespace {

const std::string& OrVirtio(const std::string& device) {
  static const auto& virtio = *new std::string("virtio");
  return device.empty() ? virtio : device;
}

}  // namespace

nlohmann::json WindowsJson(const conversion::v1::TargetDescription& target) {
  nlohmann::json cards = nlohmann::json::array();
  for (const auto& nic : target.nics()) {
    cards.push_back({{"mac_address", nic.mac_address()},
                     {"source_name", nic.source_name()},
                     {"static_address", nic.static_address()},
                     {"gateway", nic.gateway()}});
  }
  nlohmann::json services = nlohmann::json::array();
  for (const std::string& service : target.windows_services()) services.push_back(service);
  return {{"disk_bus", OrVirtio(target.disk_bus())},
          {"nic_model", OrVirtio(target.nic_model())},
          {"services", services},
          {"allow_unclean", target.windows_allow_unclean()},
          {"cards", cards}};
}

}  // namespace godwit::conversion
