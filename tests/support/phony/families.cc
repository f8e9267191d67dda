#include "tests/support/phony/families.h"

namespace godwit::testing {

const std::map<std::string, void (*)(PhonyGuest&)>& PhonyFamilies() {
  static const auto& families = *new std::map<std::string, void (*)(PhonyGuest&)>{
      {"alpine320", Alpine320},
      {"arch_grub", ArchGrub},
      {"arch_systemd_boot", ArchSystemdBoot},
      {"centos6", Centos6},
      {"centos7", Centos7},
      {"debian09", Debian9},
      {"debian10", Debian10},
      {"debian11", Debian11},
      {"debian12", Debian12},
      {"fedora40", Fedora40},
      {"opensuse15", OpenSuse15},
      {"rocky9", Rocky9},
      {"sles11", Sles11},
      {"sles12", Sles12},
      {"sles15", Sles15},
      {"ubuntu1404", Ubuntu1404},
      {"ubuntu1804", Ubuntu1804},
      {"ubuntu2204", Ubuntu2204},
  };
  return families;
}

}  // namespace godwit::testing
