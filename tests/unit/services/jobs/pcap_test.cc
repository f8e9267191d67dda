#include "services/jobs/targets/pcap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::vector<std::string> kMachine = {"52:54:00:AA:00:01"};

std::string Little(std::uint32_t number) {
  return std::string(reinterpret_cast<const char*>(&number), 4);
}
std::string Capture(const std::vector<std::string>& frames) {
  std::string out = Little(0xa1b2c3d4) + std::string(20, '\0');
  for (const std::string& frame : frames) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    out += std::string(8, '\0') + Little(size) + Little(size) + frame;
  }
  return out;
}
// An Ethernet and IPv4 head to 192.0.2.7 (or `last`), then `payload`.
std::string Frame(char protocol, const std::string& payload, char last = 7,
                  const std::string& from = absl::HexStringToBytes("525400aa0001")) {
  return absl::HexStringToBytes("52550a000202") + from + absl::HexStringToBytes("0800") +
         absl::HexStringToBytes("4500002800000000") + "\x40" + protocol + std::string(2, '\0') +
         absl::HexStringToBytes("0a00020fc00002") + last + payload;
}
std::string Tcp(int port, char flags) {
  return std::string("\x12\x34", 2) + static_cast<char>(port >> 8) + static_cast<char>(port) +
         std::string(8, '\0') + "\x50" + flags + std::string(6, '\0');
}
std::string Udp(int port, const std::string& data) {
  return std::string("\x12\x34", 2) + static_cast<char>(port >> 8) + static_cast<char>(port) +
         std::string(4, '\0') + data;
}
std::string Question(const std::string& labels) {
  return absl::HexStringToBytes("abcd01000001000000000000") + labels + std::string("\0\0\1\0\1", 5);
}

TEST(Pcap, NamesWhatWasAskedFor) {
  const std::string capture =
      Capture({Frame(6, Tcp(25, 0x02)), Frame(6, Tcp(25, 0x02)), Frame(6, Tcp(25, 0x10)),
               Frame(6, Tcp(22, 0x12)), Frame(17, Udp(123, "time")),
               Frame(17, Udp(53, Question("\4mail\7example\3com"))), Frame(1, "ping", 9),
               Frame(17, Udp(67, "dhcp"))});
  EXPECT_THAT(SummariseCapture(capture, kMachine),
              ElementsAre("dns mail.example.com", "icmp 192.0.2.9 (1 time)",
                          "tcp 192.0.2.7:25 (2 times)", "udp 192.0.2.7:123 (1 time)"));
}

TEST(Pcap, WhatOthersSendDoesNotCount) {
  EXPECT_THAT(
      SummariseCapture(Capture({Frame(6, Tcp(22, 0x02), 7, "\x52\x55\x0a\x01\x02\x02")}), kMachine),
      IsEmpty());
}

TEST(Pcap, BrokenRecordingsAreReadAsFarAsTheyGo) {
  const std::string good = Capture({Frame(6, Tcp(25, 0x02)), Frame(6, Tcp(26, 0x02))});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_LE(SummariseCapture(good.substr(0, size), kMachine).size(), 1u) << size;
  std::string long_frame = Capture({Frame(6, Tcp(25, 0x02))});
  long_frame.replace(32, 4, Little(0xffffffff));
  EXPECT_THAT(SummariseCapture(long_frame, kMachine), IsEmpty());
  // Names with a length that lies, and one that never ends.
  EXPECT_THAT(SummariseCapture(Capture({Frame(17, Udp(53, Question("\x3f")))}), kMachine),
              ElementsAre("udp 192.0.2.7:53 (1 time)"));
  std::string endless;
  for (int i = 0; i < 500; ++i) endless += "\1a";
  EXPECT_THAT(SummariseCapture(Capture({Frame(17, Udp(53, Question(endless)))}), kMachine),
              ElementsAre("udp 192.0.2.7:53 (1 time)"));
}

TEST(Pcap, AFloodIsCutOff) {
  std::vector<std::string> frames;
  for (int port = 1; port < 1000; ++port) frames.push_back(Frame(6, Tcp(port, 0x02)));
  const auto lines = SummariseCapture(Capture(frames), kMachine);
  EXPECT_THAT(lines, SizeIs(kMostAttempts));
  EXPECT_EQ(lines.back(), "and more");
}

}  // namespace
}  // namespace godwit::jobs
