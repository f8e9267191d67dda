#include "services/jobs/targets/pcap.h"

#include <arpa/inet.h>

#include <map>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::jobs {
namespace {

constexpr std::uint32_t kMagic = 0xa1b2c3d4;  // microseconds, in the writer's byte order: ours
constexpr std::size_t kFileHead = 24, kFrameHead = 16;
constexpr std::uint32_t kMostFrame = 64 << 10;
constexpr int kMostLabels = 64;
constexpr std::uint8_t kSyn = 0x02, kAck = 0x10;

// Bytes from the front; remembers when there were too few.
class Bytes {
 public:
  explicit Bytes(absl::string_view data) : data_(data) {}
  bool ok() const { return ok_; }
  absl::string_view rest() const { return data_; }
  absl::string_view Take(std::size_t count) {
    if (count > data_.size()) {
      ok_ = false;
      data_ = {};
      return {};
    }
    const absl::string_view out = data_.substr(0, count);
    data_.remove_prefix(count);
    return out;
  }
  std::uint32_t Big(std::size_t count) {
    std::uint32_t out = 0;
    for (const char c : Take(count)) out = out << 8 | static_cast<unsigned char>(c);
    return out;
  }
  std::uint32_t Host32() {
    std::uint32_t out = 0;
    const absl::string_view bytes = Take(4);
    if (ok_) std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(&out));
    return out;
  }

 private:
  absl::string_view data_;
  bool ok_ = true;
};

std::string MacText(absl::string_view bytes) {
  std::string out;
  for (const char c : bytes)
    absl::StrAppend(&out, out.empty() ? "" : ":",
                    absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  return out;
}

std::string AddressText(int family, absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(family, bytes.data(), text, sizeof(text));
  return family == AF_INET6 ? absl::StrCat("[", text, "]") : text;
}

// The name a DNS query asks for; nothing when it is no query.
std::optional<std::string> QuestionOf(absl::string_view payload) {
  Bytes in(payload);
  in.Take(2);
  const std::uint32_t flags = in.Big(2), questions = in.Big(2);
  in.Take(6);
  if (!in.ok() || (flags & 0x8000) != 0 || questions == 0) return std::nullopt;
  std::string name;
  bool ended = false;
  for (int i = 0; i < kMostLabels && !ended; ++i) {
    const std::uint32_t length = in.Big(1);
    if (!in.ok() || length > 63) return std::nullopt;
    ended = length == 0;
    if (!ended && !name.empty()) name.push_back('.');
    for (const char c : in.Take(length)) name.push_back(absl::ascii_isgraph(c) ? c : '?');
  }
  if (!in.ok() || !ended || name.empty() || name.size() > 253) return std::nullopt;
  return name;
}

class Summary {
 public:
  explicit Summary(const std::vector<std::string>& mac_addresses) {
    for (const std::string& mac : mac_addresses) machine_.insert(absl::AsciiStrToLower(mac));
  }
  void AddFrame(absl::string_view frame) {
    Bytes in(frame);
    in.Take(6);
    const std::string from = MacText(in.Take(6));
    const std::uint32_t type = in.Big(2);
    if (!in.ok() || !machine_.contains(from)) return;
    if (type == 0x0800) AddIpv4(in);
    if (type == 0x86dd) AddIpv6(in);
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> out;
    for (const auto& [what, count] : seen_) {
      const bool counted = what.rfind("dns ", 0) != 0;
      out.push_back(counted ? absl::StrCat(what, " (", count, count == 1 ? " time)" : " times)")
                            : what);
    }
    if (more_) out.push_back("and more");
    return out;
  }

 private:
  void AddIpv4(Bytes in) {
    const std::uint32_t version = in.Big(1);
    in.Take(5);
    const std::uint32_t fragment = in.Big(2) & 0x1fff;
    in.Take(1);
    const std::uint32_t protocol = in.Big(1);
    in.Take(6);
    const absl::string_view to = in.Take(4);
    const std::uint32_t length = (version & 0xf) * 4;
    if (!in.ok() || version >> 4 != 4 || length < 20 || fragment != 0) return;
    in.Take(length - 20);
    if (in.ok()) AddPayload(protocol, AddressText(AF_INET, to), in);
  }
  void AddIpv6(Bytes in) {
    in.Take(6);
    const std::uint32_t protocol = in.Big(1);
    in.Take(17);
    const absl::string_view to = in.Take(16);
    // Neighbours and routers are looked for by multicast; that is no attempt to reach anybody.
    if (in.ok() && static_cast<unsigned char>(to[0]) != 0xff)
      AddPayload(protocol, AddressText(AF_INET6, to), in);
  }
  void AddPayload(std::uint32_t protocol, const std::string& to, Bytes in) {
    if (protocol == 1 || protocol == 58) return Count(absl::StrCat("icmp ", to));
    if (protocol != 6 && protocol != 17) return;
    in.Take(2);
    const std::uint32_t port = in.Big(2);
    if (protocol == 6) {
      in.Take(9);
      const std::uint32_t flags = in.Big(1);
      if (in.ok() && (flags & kSyn) != 0 && (flags & kAck) == 0)
        Count(absl::StrCat("tcp ", to, ":", port));
      return;
    }
    in.Take(4);
    if (!in.ok()) return;
    // Finding one's own address is not reaching out.
    if (port == 67 || port == 547) return;
    if (port == 53) {
      if (const auto name = QuestionOf(in.rest())) return Count(absl::StrCat("dns ", *name));
    }
    Count(absl::StrCat("udp ", to, ":", port));
  }
  void Count(const std::string& what) {
    if (seen_.size() >= kMostAttempts - 1 && !seen_.contains(what)) {
      more_ = true;
      return;
    }
    ++seen_[what];
  }

  std::set<std::string> machine_;
  std::map<std::string, std::int64_t> seen_;
  bool more_ = false;
};

}  // namespace

std::vector<std::string> SummariseCapture(absl::string_view capture,
                                          const std::vector<std::string>& mac_addresses) {
  Summary summary(mac_addresses);
  Bytes in(capture.substr(0, kMostCaptureBytes));
  if (in.Host32() != kMagic) return {};
  in.Take(kFileHead - 4);
  while (in.ok() && in.rest().size() >= kFrameHead) {
    in.Take(8);
    const std::uint32_t kept = in.Host32();
    in.Take(4);
    if (kept > kMostFrame) break;
    const absl::string_view frame = in.Take(kept);
    if (in.ok()) summary.AddFrame(frame);
  }
  return summary.Lines();
}

}  // namespace godwit::jobs
