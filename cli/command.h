// What a command is. Each group of commands is a file in commands/ that lists them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/context.h"
#include "cli/options.h"

namespace godwit::cli {

using Arguments = std::vector<std::string>;
inline constexpr std::size_t kAnyNumber = 1000;

struct Command {
  std::string words;                // "servers list"
  std::string arguments;            // "SERVER...", for the help
  std::string purpose;              // one line
  std::size_t least = 0, most = 0;  // arguments
  std::function<void(Options&)> options = [](Options&) {};
  std::function<absl::Status(Context&, const Options&, const Arguments&)> run;
};

std::vector<Command> ServerCommands();       // servers
std::vector<Command> LifeCycleCommands();    // test, cutover, mark-ready...
std::vector<Command> ReplicationCommands();  // replication
std::vector<Command> ReplicationSettingsCommands();
std::vector<Command> LaunchSettingsCommands();
std::vector<Command> TemplateCommands();  // templates
std::vector<Command> PointCommands();
std::vector<Command> VerificationCommands();  // servers verify, verify-report
std::vector<Command> JobCommands();
std::vector<Command> PreflightCommands();
std::vector<Command> FleetCommands();       // tokens, workers, conversion
std::vector<Command> GroupCommands();       // applications, waves
std::vector<Command> ConversionCommands();  // conversions
std::vector<Command> AccessKeyCommands();   // access-keys
std::vector<Command> RevocationCommands();  // revocations
std::vector<Command> ScopeCommands();       // scopes
std::vector<Command> AuditCommands();       // audit
std::vector<Command> TransferCommands();    // import, export, imports, exports, connectors
std::vector<Command> EventCommands();       // events
std::vector<Command> WebhookCommands();     // webhooks
std::vector<Command> OperationCommands();   // health, support-bundle
std::vector<Command> WaveCommands();        // waves
std::vector<Command> PlanCommands();        // diff, apply, export-plan
std::vector<Command> QuotaCommands();       // quotas
std::vector<Command> RetryCommands();       // jobs retry

// All of them.
std::vector<Command> AllCommands();

// Finds the command, parses and runs it. `arguments` are without the program's name. Prints help to
// context.out().
absl::Status RunCommandLine(Context& context, std::vector<std::string> arguments);

}  // namespace godwit::cli
