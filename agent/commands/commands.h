// The subcommands of godwit-agent. Each gets its own arguments (program name first) and returns the
// exit code.
#pragma once

namespace godwit::agent {

// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not installed or not running.
int Install(int argc, const char* const* argv);
int Run(int argc, const char* const* argv);
int Status(int argc, const char* const* argv);
int Disks(int argc, const char* const* argv);
int Uninstall(int argc, const char* const* argv);

}  // namespace godwit::agent
