// What a machine tried to reach, from a recording of its network. The recording is the guest's
// doing: every length in it is checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace godwit::jobs {

// A recording is read and kept up to this size.
inline constexpr std::int64_t kMostCaptureBytes = 16 << 20;
inline constexpr std::size_t kMostAttempts = 200;

// One line for each thing that machines with these MAC addresses asked for, sorted:
// "tcp 192.0.2.7:25 (3 times)" (connections begun), "udp 192.0.2.9:123 (1 time)",
// "dns mail.example.com" (names asked for), "icmp 192.0.2.1 (4 times)". `capture` is a pcap file of
// Ethernet frames, maybe cut off. At most kMostAttempts; then the last line says that there are
// more.
std::vector<std::string> SummariseCapture(absl::string_view capture,
                                          const std::vector<std::string>& mac_addresses);

}  // namespace godwit::jobs
