// The tables against the service model that botocore brings: every operation, address, code,
// member and bound of 2022.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/tables.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

std::string OutputOf(const char* command) {
  FILE* pipe = popen(command, "r");
  std::string out;
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

json Model() {
  std::string folder = OutputOf(
      "/usr/bin/python3 -c 'import botocore, os; print(os.path.dirname(botocore.__file__))'");
  absl::StripTrailingAsciiWhitespace(&folder);
  std::ifstream file(absl::StrCat(folder, "/data/mgn/2020-02-26/service-2.json"));
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str());
}

std::string Pattern(const json& shape) {
  std::string pattern = shape.value("pattern", "");
  if (absl::StartsWith(pattern, "^")) pattern.erase(0, 1);
  if (absl::EndsWith(pattern, "$")) pattern.pop_back();
  return pattern;
}

// Bounds that the service published after 2022; the tables have these.
bool BoundedSince(const Shape& ours, const std::string& name) {
  const std::pair<std::int64_t, std::int64_t> bounds = {ours.least, ours.most};
  if (name == "TagsMap") return bounds == std::pair<std::int64_t, std::int64_t>{0, 50};
  if (name != "PositiveInteger") return false;
  return bounds == std::pair<std::int64_t, std::int64_t>{0, 10000} ||    // bandwidth
         bounds == std::pair<std::int64_t, std::int64_t>{100, 64000} ||  // operations a second
         bounds == std::pair<std::int64_t, std::int64_t>{125, 1000};     // throughput
}

class Comparison {
 public:
  explicit Comparison(const json& model) : shapes_(model["shapes"]) {}
  int members() const { return members_; }

  void Compare(const Shape& ours, const std::string& name, const std::string& path) {
    const json& theirs = shapes_.at(name);
    const std::string type = theirs["type"];
    SCOPED_TRACE(absl::StrCat(path, " (", name, ", ", type, ")"));
    if (type == "structure") return CompareMembers(ours.Members(), theirs, path);
    if (!BoundedSince(ours, name)) {
      EXPECT_EQ(ours.least, theirs.value("min", kNone));
      EXPECT_EQ(ours.most, theirs.value("max", kNone));
    }
    if (type == "list") {
      ASSERT_EQ(ours.kind, Kind::kList);
      return Compare(*ours.element, theirs["member"]["shape"], path + "[]");
    }
    if (type == "map") {
      ASSERT_EQ(ours.kind, Kind::kMap);
      Compare(*ours.key, theirs["key"]["shape"], path + "{key}");
      return Compare(*ours.element, theirs["value"]["shape"], path + "{}");
    }
    if (theirs.contains("enum")) {
      ASSERT_EQ(ours.kind, Kind::kEnum);
      std::vector<std::string> values;
      for (const auto value : ours.values.first(ours.values.size() - ours.newer_values)) {
        values.emplace_back(value);
      }
      EXPECT_EQ(json(values), theirs["enum"]);
      return;
    }
    const Kind kind = type == "boolean"                     ? Kind::kBoolean
                      : type == "integer" || type == "long" ? Kind::kInteger
                                                            : Kind::kString;
    EXPECT_EQ(ours.kind, kind);
    // Of 2022 it is not anchored and means: ends so, as later models say.
    const std::string pattern = name == "ActionID" ? ".*[0-9a-zA-Z]" : Pattern(theirs);
    EXPECT_EQ(ours.pattern == nullptr ? "" : ours.pattern, pattern);
  }

  void CompareMembers(std::span<const Member> ours, const json& theirs, const std::string& path) {
    std::set<std::string> known;
    const json required = theirs.value("required", json::array());
    for (const Member& member : ours) {
      const std::string name(member.name);
      if ((member.flags & kNewer) != 0) {
        EXPECT_FALSE(theirs["members"].contains(name)) << path << "." << name;
        continue;
      }
      known.insert(name);
      ++members_;
      ASSERT_TRUE(theirs["members"].contains(name)) << path << "." << name;
      const json& theirs_member = theirs["members"][name];
      EXPECT_EQ((member.flags & kRequired) != 0,
                std::find(required.begin(), required.end(), name) != required.end())
          << path << "." << name;
      const std::string place = theirs_member.value("location", "");
      EXPECT_EQ((member.flags & kInUri) != 0, place == "uri") << name;
      EXPECT_EQ((member.flags & kInQuery) != 0, place == "querystring") << name;
      EXPECT_EQ(theirs_member.value("locationName", name), name);
      Compare(*member.shape, theirs_member["shape"], absl::StrCat(path, ".", name));
    }
    for (const auto& [name, unused] : theirs["members"].items()) {
      EXPECT_TRUE(known.count(name)) << path << "." << name << " is missing";
    }
  }

 private:
  const json& shapes_;
  int members_ = 0;
};

std::uint32_t Errors(const json& operation) {
  const std::map<std::string, std::uint32_t> kNames = {
      {"UninitializedAccountException", kUninitialized},
      {"ResourceNotFoundException", kNotFound},
      {"ValidationException", kValidation},
      {"ConflictException", kConflict},
      {"ServiceQuotaExceededException", kQuota},
      {"AccessDeniedException", kDenied},
      {"ThrottlingException", kThrottling},
      {"InternalServerException", kInternal}};
  std::uint32_t bits = 0;
  for (const json& error : operation.value("errors", json::array())) {
    bits |= kNames.at(error["shape"]);
  }
  return bits;
}

TEST(MgnModel, EqualsTheModelOfBotocore) {
  const json model = Model();
  Comparison comparison(model);
  std::set<std::string> known;
  for (const Operation* ours : AllOperations()) {
    if (ours->model != 2022) continue;
    const std::string name(ours->name);
    SCOPED_TRACE(name);
    known.insert(name);
    ASSERT_TRUE(model["operations"].contains(name));
    const json& theirs = model["operations"][name];
    EXPECT_EQ(ours->method, theirs["http"]["method"].get<std::string>());
    EXPECT_EQ(ours->uri, theirs["http"]["requestUri"].get<std::string>());
    EXPECT_EQ(ours->success, theirs["http"].value("responseCode", 200));
    EXPECT_EQ(ours->errors, Errors(theirs));
    const std::string input = theirs["input"]["shape"];
    comparison.CompareMembers(ours->input, model["shapes"][input], absl::StrCat(name, " in"));
    const std::string output = theirs.contains("output") ? theirs["output"]["shape"] : "";
    if (ours->output == nullptr) {
      EXPECT_TRUE(output.empty() || model["shapes"][output]["members"].empty());
    } else {
      ASSERT_FALSE(output.empty());
      comparison.Compare(*ours->output, output, absl::StrCat(name, " out"));
    }
  }
  EXPECT_EQ(known.size(), 55u);
  EXPECT_EQ(model["operations"].size(), 55u);
  EXPECT_GT(comparison.members(), 1000);
  std::printf("compared %zu operations, %d members\n", known.size(), comparison.members());
}

TEST(MgnModel, HasSeventyOperationsWithOneAddressEach) {
  std::set<std::pair<std::string, std::string>> addresses;
  std::set<std::string> newer;
  for (const Operation* operation : AllOperations()) {
    EXPECT_TRUE(
        addresses.emplace(std::string(operation->method), std::string(operation->uri)).second)
        << operation->name;
    if (operation->model == 2023) newer.insert(std::string(operation->name));
    if (!absl::StrContains(operation->uri, '{')) {
      EXPECT_EQ(operation->uri, absl::StrCat("/", operation->name));
    }
  }
  EXPECT_EQ(addresses.size(), 70u);
  EXPECT_EQ(newer, (std::set<std::string>{
                       "CreateConnector", "DeleteConnector", "ListConnectors", "ListExportErrors",
                       "ListExports", "ListImportErrors", "ListImports", "ListManagedAccounts",
                       "PauseReplication", "ResumeReplication", "StartExport", "StartImport",
                       "StopReplication", "UpdateConnector", "UpdateSourceServer"}));
}

}  // namespace
}  // namespace godwit::gateway::mgn
