#include "services/gateway/sigv4/verify.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "services/common/base/file.h"
#include "services/gateway/sigv4/key_cache.h"
#include "tests/support/process.h"

namespace godwit::gateway::sigv4 {
namespace {

using nlohmann::json;

constexpr char kKeyId[] = "GWAKABCDEFGHIJKLMNOP";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

// The keys of one user.
class OneKey final : public KeySource {
 public:
  absl::StatusOr<SigningKey> Get(const Authorization& authorization, const std::string&) override {
    ++asked;
    if (!status.ok()) return status;
    if (authorization.key_id != kKeyId) return absl::NotFoundError("no such key");
    return SigningKey{.key = SigningKeyOf(kSecret, authorization.date, authorization.region,
                                          authorization.service),
                      .principal = "user/operator/ci",
                      .disabled = disabled};
  }
  bool disabled = false;
  absl::Status status;
  int asked = 0;
};

class SigV4Test : public ::testing::Test {
 protected:
  // "" when it is let in, else the name of the error.
  std::string Try(const Request& request, absl::Time now) {
    const auto result = Verify(request, rules_, now, keys_, "request");
    if (const Caller* caller = std::get_if<Caller>(&result)) {
      EXPECT_EQ(caller->principal, "user/operator/ci");
      return "";
    }
    message_ = std::get<Refusal>(result).message;
    return std::get<Refusal>(result).code;
  }

  // A request signed by our own words, for what botocore would not sign.
  Request Signed(std::vector<std::string> names = {"host", "x-amz-date"}) {
    Request request;
    request.head.method = "POST";
    request.head.target = "/StartTest";
    request.head.headers = {{"host", "gateway"}, {"x-amz-date", date_}, {"x-amz-odd", "1"}};
    request.body = "{}";
    Sign(request, std::move(names));
    return request;
  }
  void Sign(Request& request, std::vector<std::string> names) {
    Authorization authorization{.key_id = key_id_,
                                .date = date_.substr(0, 8),
                                .region = region_,
                                .service = service_,
                                .signed_headers = names};
    const auto canonical = CanonicalRequest(request, names);
    ASSERT_TRUE(canonical.has_value());
    const std::string key =
        SigningKeyOf(kSecret, authorization.date, authorization.region, authorization.service);
    request.head.headers.emplace_back(
        "authorization",
        absl::StrCat("AWS4-HMAC-SHA256 Credential=", key_id_, "/", authorization.date, "/", region_,
                     "/", service_, "/aws4_request, SignedHeaders=", absl::StrJoin(names, ";"),
                     ", Signature=",
                     absl::BytesToHexString(
                         HmacSha256(key, StringToSign(authorization, date_, *canonical)))));
  }
  void SetHeader(Request& request, absl::string_view name, absl::string_view from,
                 absl::string_view to) {
    for (auto& [key, value] : request.head.headers) {
      if (key == name) value = absl::StrReplaceAll(value, {{from, to}});
    }
  }

  Rules rules_{.regions = {"us-east-1", "eu-central-1"}};
  OneKey keys_;
  std::string key_id_ = kKeyId, date_ = "20260102T030405Z", region_ = "us-east-1", service_ = "mgn";
  absl::Time then_ = absl::FromCivil(absl::CivilSecond(2026, 1, 2, 3, 4, 5), absl::UTCTimeZone());
  const std::vector<std::string> all_ = {"host", "x-amz-date", "x-amz-odd"};
  std::string message_;
};

// What botocore signs is let in; with any one thing changed it is not.
TEST_F(SigV4Test, AgreesWithBotocore) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  constexpr int kCases = 400;
  testing::TempDir dir;
  auto process = testing::Process::Start(
      {.command = {"/usr/bin/python3",
                   GODWIT_SOURCE_DIR "/tests/unit/services/gateway/signed_requests.py",
                   absl::StrCat(seed), absl::StrCat(kCases)},
       .log = dir / "cases"});
  ASSERT_TRUE(process.ok());
  ASSERT_EQ(process->Wait(absl::Seconds(60)).value_or(-1), 0) << process->Log();
  const absl::Time now = absl::Now();
  int cases = 0, changed = 0;
  std::minstd_rand random(seed);
  for (const absl::string_view line : absl::StrSplit(process->Log(), '\n', absl::SkipEmpty())) {
    const json sent = json::parse(line.begin(), line.end());
    std::string text = absl::StrCat(sent["method"].get<std::string>(), " ",
                                    sent["target"].get<std::string>(), " HTTP/1.1\r\n");
    for (const json& header : sent["headers"]) {
      absl::StrAppend(&text, header[0].get<std::string>(), ": ", header[1].get<std::string>(),
                      "\r\n");
    }
    const auto head = ParseHead(absl::StrCat(text, "\r\n"));
    ASSERT_TRUE(std::holds_alternative<Head>(head)) << std::get<HeadFault>(head).message << text;
    Request request{.head = std::get<Head>(head)};
    absl::Base64Unescape(sent["body"].get<std::string>(), &request.body);
    ASSERT_EQ(Try(request, now), "") << line << "\n" << message_;
    ++cases;
    Request other = request;
    switch (random() % 4) {
      case 0:
        other.body += " ";
        break;
      case 1:
        other.head.target += absl::StrContains(other.head.target, '?') ? "&x=1" : "?x=1";
        break;
      case 2:
        other.head.target.insert(other.head.path().size(), "x");
        break;
      default:
        other.head.method = other.head.method == "POST" ? "GET" : "POST";
    }
    EXPECT_EQ(Try(other, now), "InvalidSignatureException") << line;
    ++changed;
  }
  EXPECT_EQ(cases, kCases);
  std::printf("%d requests of botocore let in, %d changed ones refused\n", cases, changed);
}

TEST_F(SigV4Test, TimeAndScope) {
  const Request request = Signed(all_);
  EXPECT_EQ(Try(request, then_), "");
  EXPECT_EQ(Try(request, then_ + absl::Minutes(5)), "");
  EXPECT_EQ(Try(request, then_ - absl::Minutes(5)), "");
  EXPECT_EQ(Try(request, then_ + absl::Minutes(5) + absl::Seconds(1)), "InvalidSignatureException");
  EXPECT_TRUE(absl::StartsWith(message_, "Signature expired")) << message_;
  EXPECT_EQ(Try(request, then_ - absl::Minutes(6)), "InvalidSignatureException");
  region_ = "eu-west-9";
  EXPECT_EQ(Try(Signed(all_), then_), "InvalidSignatureException");
  region_ = "us-east-1";
  service_ = "s3";
  EXPECT_EQ(Try(Signed(all_), then_), "InvalidSignatureException");
  service_ = "mgn";
  // The scope's day is another one than that of the time.
  Request moved = Signed(all_);
  SetHeader(moved, "authorization", "/20260102/", "/20260103/");
  EXPECT_EQ(Try(moved, then_), "InvalidSignatureException");
  std::string written = date_;
  for (const char* wrong : {"2026-01-02T03:04Z", "20261302T030405Z", "20260102T240405Z",
                            "20260230T030405Z", "2026010aT030405Z", "20260102T03040560", ""}) {
    SetHeader(moved, "x-amz-date", written, wrong);
    written = wrong;
    EXPECT_EQ(Try(moved, then_), "IncompleteSignatureException") << wrong;
  }
}

TEST_F(SigV4Test, EveryAmzHeaderMustBeSigned) {
  EXPECT_EQ(Try(Signed({"host", "x-amz-date"}), then_), "InvalidSignatureException");
  EXPECT_EQ(message_, "'x-amz-odd' is not signed");
  EXPECT_EQ(Try(Signed({"x-amz-date", "x-amz-odd"}), then_), "InvalidSignatureException");
  EXPECT_EQ(Try(Signed({"host", "x-amz-odd"}), then_), "InvalidSignatureException");
  Request later = Signed(all_);
  later.head.headers.emplace_back("x-amz-target", "other");
  EXPECT_EQ(Try(later, then_), "InvalidSignatureException");
  Request twice = Signed(all_);
  twice.head.headers.emplace_back("x-amz-odd", "2");
  EXPECT_EQ(Try(twice, then_), "InvalidSignatureException");
  Request untold = Signed(all_);
  untold.head.headers.emplace_back("amz-sdk-invocation-id", "not signed by anybody");
  EXPECT_EQ(Try(untold, then_), "");
  Request hash = Signed(all_);
  hash.head.headers = {
      {"host", "gateway"}, {"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}, {"x-amz-date", date_}};
  Sign(hash, {"host", "x-amz-content-sha256", "x-amz-date"});
  EXPECT_EQ(Try(hash, then_), "InvalidSignatureException");
  hash.head.headers = {
      {"host", "gateway"}, {"x-amz-content-sha256", HexSha256(hash.body)}, {"x-amz-date", date_}};
  Sign(hash, {"host", "x-amz-content-sha256", "x-amz-date"});
  EXPECT_EQ(Try(hash, then_), "") << message_;
}

TEST_F(SigV4Test, OtherWaysOfSigning) {
  Request request = Signed(all_);
  request.head.headers.pop_back();
  EXPECT_EQ(Try(request, then_), "MissingAuthenticationTokenException");
  request.head.target += "?X-Amz-Signature=0&X-Amz-Credential=x";
  EXPECT_EQ(Try(request, then_), "IncompleteSignatureException");
  EXPECT_TRUE(absl::StrContains(message_, "presigned")) << message_;
  request.head.target = "/StartTest";
  request.head.headers.emplace_back("authorization", "AWS4-ECDSA-P256-SHA256 Credential=x");
  EXPECT_EQ(Try(request, then_), "IncompleteSignatureException");
  EXPECT_TRUE(absl::StrContains(message_, "SigV4A")) << message_;
  request.head.headers.back().second = "Bearer x";
  EXPECT_EQ(Try(request, then_), "IncompleteSignatureException");
  request.head.target = "/StartTest?a=%zz";
  EXPECT_EQ(Try(request, then_), "MalformedHttpRequestException");
  EXPECT_EQ(keys_.asked, 0);
}

TEST_F(SigV4Test, MalformedAuthorization) {
  const std::string good(Signed(all_).head.Header("authorization"));
  ASSERT_TRUE(ParseAuthorization(good).has_value());
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "},
           {"/aws4_request", "/aws5_request"},
           {"/mgn/", "/mgn/x/"},
           {"/20260102/", "/2026010/"},
           {"GWAK", "../GWAK"},
           {"host;x-amz-date", "x-amz-date;host"},
           {"host;x-amz-date", "host;host"},
           {"host;", "Host;"},
           {"host;", "host;;"},
           {", Signature", ", Signature=0, Signature"},
           {"Signature=", "Signature=0"},
           {"Credential=", "credential="},
           {", SignedHeaders=host;x-amz-date;x-amz-odd", ""},
           {"us-east-1", "US-EAST-1"},
           {", Signature", ", Extra=1, Signature"}}) {
    const std::string wrong = absl::StrReplaceAll(good, {{from, to}});
    ASSERT_NE(wrong, good) << from;
    EXPECT_FALSE(ParseAuthorization(wrong).has_value()) << wrong;
  }
  std::string upper = good;
  for (char& c : upper) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 32);
  }
  EXPECT_FALSE(ParseAuthorization(upper).has_value());
}

TEST_F(SigV4Test, Keys) {
  key_id_ = "GWAKOTHERKEY";
  EXPECT_EQ(Try(Signed(all_), then_), "UnrecognizedClientException");
  key_id_ = kKeyId;
  keys_.disabled = true;
  EXPECT_EQ(Try(Signed(all_), then_), "UnrecognizedClientException");
  EXPECT_EQ(message_, "The access key is disabled.");
  // Whether it is disabled is told only to who has it.
  Request forged = Signed(all_);
  forged.body = "{ }";
  EXPECT_EQ(Try(forged, then_), "InvalidSignatureException");
  keys_.status = absl::UnavailableError("away");
  EXPECT_EQ(Try(Signed(all_), then_), "ServiceUnavailableException");
}

TEST_F(SigV4Test, CacheForgetsInTime) {
  FakeClock clock;
  KeyCache cache(keys_, clock);
  Authorization name{.key_id = kKeyId, .date = "20260102", .region = "r", .service = "mgn"};
  ASSERT_TRUE(cache.Get(name, "").ok());
  keys_.disabled = true;
  clock.Advance(absl::Milliseconds(4999));
  EXPECT_FALSE(cache.Get(name, "")->disabled);
  EXPECT_EQ(keys_.asked, 1);
  clock.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(cache.Get(name, "")->disabled);
  EXPECT_EQ(keys_.asked, 2);
  name.region = "other";
  ASSERT_TRUE(cache.Get(name, "").ok());
  EXPECT_EQ(keys_.asked, 3);
  // That there is no such key is remembered too, other errors are not.
  name.key_id = "GWAKNONE";
  EXPECT_TRUE(absl::IsNotFound(cache.Get(name, "").status()));
  EXPECT_TRUE(absl::IsNotFound(cache.Get(name, "").status()));
  EXPECT_EQ(keys_.asked, 4);
  keys_.status = absl::UnavailableError("away");
  name.key_id = "GWAKMORE";
  EXPECT_TRUE(absl::IsUnavailable(cache.Get(name, "").status()));
  EXPECT_TRUE(absl::IsUnavailable(cache.Get(name, "").status()));
  EXPECT_EQ(keys_.asked, 6);
}

}  // namespace
}  // namespace godwit::gateway::sigv4
