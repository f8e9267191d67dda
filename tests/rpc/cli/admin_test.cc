// godwit templates and godwit scopes against a real registry.
#include "absl/strings/str_join.h"

#include "services/common/base/file.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using registry::pb::SettingsTemplate;
using registry::pb::SettingsTemplateService;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AdminTest : public registry::RegistryTest {
 protected:
  Ran DoAs(const std::string& principal, std::vector<std::string> arguments) {
    const std::string tls = absl::StrCat(dir_.path(), "/", principal);
    installation_->pki.Write(principal, tls);
    arguments.insert(
        arguments.end(),
        {"--tls-dir", tls, absl::StrCat("--registry=", Endpoint(installation_->registry->port()))});
    return Godwit(arguments);
  }
  Ran Do(std::vector<std::string> arguments) {
    return DoAs("user/admin/alice", std::move(arguments));
  }
  // What it printed, once it ended with 0.
  std::string Out(std::vector<std::string> arguments) {
    const std::string words = absl::StrJoin(arguments, " ");
    const Ran ran = Do(std::move(arguments));
    EXPECT_EQ(ran.exit_code, kDone) << words << ": " << ran.err;
    return ran.out;
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ / name;
    EXPECT_OK(WriteFileAtomically(path, text, 0600));
    return path;
  }
  SettingsTemplate Template(const std::string& id) {
    registry::pb::GetSettingsTemplateRequest request;
    request.set_name("settingsTemplates/" + id);
    const auto stub = SettingsTemplateService::NewStub(ChannelAs("user/viewer/bob"));
    const auto found = Call(*stub, &SettingsTemplateService::Stub::GetSettingsTemplate, request);
    EXPECT_OK(found);
    return found.ok() ? *found : SettingsTemplate();
  }
  static std::string Id(const std::string& server) { return server.substr(14); }

  testing::TempDir dir_;
};

TEST_F(AdminTest, TemplatesAreMadeChangedCopiedAndDeleted) {
  const std::string made =
      Out({"templates", "create", "web", "--lanes", "3", "--undo-window", "48h", "--cpus", "2",
           "--port-forward", "80", "--boot-tcp", "80", "--tag", "team=shop", "--tag", "tier=web"});
  EXPECT_THAT(made, AllOf(HasSubstr("web"), HasSubstr("tier=web"), HasSubstr("2d")));
  const SettingsTemplate first = Template("web");
  EXPECT_EQ(first.replication().lane_count(), 3);
  EXPECT_EQ(first.replication().undo_window().seconds(), 48 * 3600);
  EXPECT_EQ(first.launch().cpu_count(), 2);
  ASSERT_EQ(first.launch().boot_proof().tcp_ports_size(), 1);
  EXPECT_EQ(first.launch().boot_proof().tcp_ports(0), 80);
  EXPECT_EQ(first.tags_size(), 2);

  // Only what is given changes.
  const std::string changed =
      Out({"templates", "update", "settingsTemplates/web", "--memory", "2GiB", "--tag", "tier-",
           "--tag", "site=a", "--output", "json"});
  EXPECT_THAT(changed, HasSubstr("\"memoryBytes\": \"2147483648\""));
  const SettingsTemplate second = Template("web");
  EXPECT_EQ(second.launch().memory_bytes(), 2ll << 30);
  EXPECT_EQ(second.launch().cpu_count(), 2);
  ASSERT_EQ(second.launch().boot_proof().tcp_ports_size(), 1);
  EXPECT_EQ(second.replication().lane_count(), 3);
  EXPECT_EQ(second.tags().at("site"), "a");
  EXPECT_FALSE(second.tags().contains("tier"));
  EXPECT_NE(second.etag(), first.etag());

  // What is printed as JSON is taken as JSON, under another name as well.
  const std::string json = Write("web.json", Out({"templates", "get", "web", "--output=json"}));
  Out({"templates", "create", "copy", "--json", json, "--cpus", "6"});
  EXPECT_EQ(Template("copy").launch().cpu_count(), 6);
  EXPECT_EQ(Template("copy").launch().memory_bytes(), 2ll << 30);
  Out({"templates", "create", "other", "--from", "web", "--lanes", "5"});
  EXPECT_EQ(Template("other").replication().lane_count(), 5);
  EXPECT_EQ(Template("other").launch().cpu_count(), 2);
  EXPECT_EQ(Template("other").tags().at("site"), "a");
  EXPECT_THAT(Out({"templates", "list"}),
              AllOf(HasSubstr("default"), HasSubstr("copy"), HasSubstr("other"), HasSubstr("web")));

  // An etag in the JSON must still be true.
  Out({"templates", "update", "web", "--cpus", "4"});
  const Ran late = Do({"templates", "update", "web", "--json", json});
  EXPECT_EQ(late.exit_code, kRefused) << late.out;
  EXPECT_EQ(Template("web").launch().cpu_count(), 4);
  Out({"templates", "update", "web", "--json", Write("part.json", R"({"replication": {}})")});
  EXPECT_EQ(Template("web").replication().lane_count(), 0)
      << "fields that the JSON has are replaced";
  EXPECT_EQ(Template("web").launch().cpu_count(), 4);

  EXPECT_THAT(Out({"templates", "delete", "copy"}), HasSubstr("copy deleted"));
  EXPECT_EQ(Do({"templates", "get", "copy"}).exit_code, kNotFound);
}

TEST_F(AdminTest, WhatATemplateCannotBeIsRefused) {
  const Ran nothing = Do({"templates", "update", "default"});
  EXPECT_EQ(nothing.exit_code, kUsage);
  EXPECT_THAT(nothing.err, HasSubstr("templates update --help"));
  EXPECT_EQ(Do({"templates", "create"}).exit_code, kUsage);
  EXPECT_EQ(Do({"templates", "create", "a", "--boot-mode", "floppy"}).exit_code, kUsage);
  const Ran name = Do({"templates", "create", "Not Good"});
  EXPECT_EQ(name.exit_code, kUsage);
  EXPECT_THAT(name.err, HasSubstr("template_id"));
  const Ran value = Do({"templates", "create", "a", "--undo-window", "-5s"});
  EXPECT_EQ(value.exit_code, kUsage) << value.out;
  const Ran broken =
      Do({"templates", "create", "a", "--json", Write("broken.json", "{\"launch\": 1}")});
  EXPECT_EQ(broken.exit_code, kUsage);
  EXPECT_THAT(broken.err, HasSubstr("--json"));
  const Ran twice = Do({"templates", "create", "default"});
  EXPECT_EQ(twice.exit_code, kRefused);
  EXPECT_THAT(twice.err, HasSubstr("exists"));
  EXPECT_EQ(Do({"templates", "update", "nobody", "--cpus", "1"}).exit_code, kNotFound);
  EXPECT_EQ(
      DoAs("user/operator/carol", {"templates", "update", "default", "--cpus", "1"}).exit_code,
      kNotPermitted);
  const Ran kept = Do({"templates", "delete", "default"});
  EXPECT_EQ(kept.exit_code, kRefused);
  EXPECT_THAT(kept.err, HasSubstr("godwit templates update TEMPLATE"));

  // One that a token names: the refusal says which, and what to do.
  Out({"templates", "create", "named"});
  Out({"tokens", "create", "--template", "named"});
  const Ran named = Do({"templates", "delete", "named"});
  EXPECT_EQ(named.exit_code, kRefused);
  const std::size_t help = named.err.find("godwit tokens revoke t-");
  ASSERT_NE(help, std::string::npos) << named.err;
  const std::string token = named.err.substr(help + 21, named.err.find('\n', help) - help - 21);
  Out({"tokens", "revoke", token});
  Out({"templates", "delete", "named"});

  const Ran of_create = Do({"templates", "create", "--help"});
  EXPECT_EQ(of_create.exit_code, kDone);
  EXPECT_THAT(of_create.out, AllOf(HasSubstr("--from"), HasSubstr("--lanes"), HasSubstr("--cpus"),
                                   HasSubstr("--tag"), HasSubstr("--json")));
  EXPECT_THAT(Do({"templates", "--help"}).out,
              AllOf(HasSubstr("templates create"), HasSubstr("templates update")));
}

TEST_F(AdminTest, ScopesLimitAUserUntilTheyAreRemoved) {
  const std::string user = "user/viewer/dave";
  const std::string shop = EnrolledServer(), bank = EnrolledServer(), tagged = EnrolledServer();
  Out({"applications", "create", "Shop"});
  Out({"applications", "associate", "Shop", Id(shop)});
  Out({"applications", "create", "Bank"});
  Out({"applications", "associate", "Bank", Id(bank)});
  Out({"waves", "create", "Autumn"});
  Out({"waves", "associate", "Autumn", "Bank"});
  Out({"servers", "tag", Id(tagged), "team=blue=green"});
  const auto seen = [&] { return DoAs(user, {"servers", "list"}).out; };
  EXPECT_THAT(seen(), AllOf(HasSubstr(Id(shop)), HasSubstr(Id(bank)), HasSubstr(Id(tagged))));

  EXPECT_THAT(Out({"scopes", "set", user, "--application", "Shop", "--description", "shop people"}),
              HasSubstr("user/viewer/dave is limited"));
  EXPECT_THAT(seen(),
              AllOf(HasSubstr(Id(shop)), Not(HasSubstr(Id(bank))), Not(HasSubstr(Id(tagged)))));
  // In place of what there was: by wave, and by a tag whose value has the separator in it.
  const std::string set = Out(
      {"scopes", "set", user, "--wave", "Autumn", "--tag", "team=blue=green", "--output", "json"});
  EXPECT_THAT(set, AllOf(HasSubstr("\"value\": \"blue=green\""), HasSubstr("\"waves/wave-")));
  EXPECT_THAT(seen(), AllOf(Not(HasSubstr(Id(shop))), HasSubstr(Id(bank)), HasSubstr(Id(tagged))));
  Out({"scopes", "set", user, "--tag", "team"});
  EXPECT_THAT(seen(), AllOf(Not(HasSubstr(Id(bank))), HasSubstr(Id(tagged)))) << "any value";

  Out({"scopes", "set", "user/operator/erin", "--application", "Bank"});
  EXPECT_THAT(Out({"scopes", "list"}), AllOf(HasSubstr("user/operator/erin"), HasSubstr(user),
                                             HasSubstr("user/admin/alice")));
  EXPECT_THAT(Out({"scopes", "list", user}),
              AllOf(HasSubstr(user), HasSubstr("team"), Not(HasSubstr("user/operator/erin"))));
  EXPECT_THAT(Out({"scopes", "list", "--output", "json"}), HasSubstr("\"scopes\": ["));
  EXPECT_THAT(Out({"scopes", "remove", user}), HasSubstr("not limited any more"));
  Out({"scopes", "remove", "user/operator/erin"});
  EXPECT_THAT(seen(), AllOf(HasSubstr(Id(shop)), HasSubstr(Id(bank)), HasSubstr(Id(tagged))));
  EXPECT_THAT(Out({"scopes", "list"}), HasSubstr("nobody is limited"));
}

TEST_F(AdminTest, WhatAScopeCannotBeIsRefused) {
  const Ran empty = Do({"scopes", "set", "user/viewer/dave"});
  EXPECT_EQ(empty.exit_code, kUsage);
  EXPECT_THAT(empty.err, HasSubstr("name an application, a wave or a tag"));
  const Ran admin = Do({"scopes", "set", "user/admin/alice", "--tag", "team"});
  EXPECT_EQ(admin.exit_code, kUsage);
  EXPECT_THAT(admin.err, HasSubstr("user/operator/NAME"));
  EXPECT_EQ(Do({"scopes", "set", "user/viewer/dave", "--application", "Nowhere"}).exit_code,
            kNotFound);
  EXPECT_EQ(Do({"scopes", "set"}).exit_code, kUsage);
  EXPECT_EQ(Do({"scopes", "remove", "user/viewer/nobody"}).exit_code, kNotFound);
  EXPECT_EQ(
      DoAs("user/operator/carol", {"scopes", "set", "user/viewer/dave", "--tag", "team"}).exit_code,
      kNotPermitted);
  EXPECT_EQ(DoAs("user/operator/carol", {"scopes", "list"}).exit_code, kNotPermitted);
}

}  // namespace
}  // namespace godwit::cli
