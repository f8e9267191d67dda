// Builders of phony guests, a file for each circle of families. Sources are named beside each.
#pragma once

#include "tests/support/phony/phony_guest.h"

namespace godwit::testing {

void Centos6(PhonyGuest& guest);
void Centos7(PhonyGuest& guest);
void Rocky9(PhonyGuest& guest);
void Fedora40(PhonyGuest& guest);
void Sles11(PhonyGuest& guest);
void Sles12(PhonyGuest& guest);
void Sles15(PhonyGuest& guest);
void OpenSuse15(PhonyGuest& guest);
void Debian9(PhonyGuest& guest);
void Debian10(PhonyGuest& guest);
void Debian11(PhonyGuest& guest);
void Debian12(PhonyGuest& guest);
void Ubuntu1404(PhonyGuest& guest);
void Ubuntu1804(PhonyGuest& guest);
void Ubuntu2204(PhonyGuest& guest);
void Alpine320(PhonyGuest& guest);
void ArchSystemdBoot(PhonyGuest& guest);
void ArchGrub(PhonyGuest& guest);

}  // namespace godwit::testing
