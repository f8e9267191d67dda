#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/fleet_view.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using conversion::v1::ConversionService;
using conversion::v1::ConversionTask;

constexpr absl::Duration kPoll = absl::Milliseconds(300);
constexpr absl::Duration kPatience = absl::Minutes(20);

absl::StatusOr<ConversionTask> Get(Context& context, const std::string& name) {
  conversion::v1::GetTaskRequest request;
  request.set_name(name);
  return Call(context, &ConversionService::Stub::GetTask, request);
}

absl::StatusOr<ConversionTask> Named(Context& context, const std::string& task) {
  ASSIGN_OR_RETURN(const std::string name, SimpleName("TASK", "conversionTasks", "ct-", task));
  return Get(context, name);
}

bool Over(const ConversionTask& task) {
  return task.state() != ConversionTask::PENDING && task.state() != ConversionTask::RUNNING;
}

// A task on the disks of another one, waited for.
absl::StatusOr<ConversionTask> OnTheSameDisks(Context& context, const std::string& task,
                                              ConversionTask::Mode mode) {
  ASSIGN_OR_RETURN(const ConversionTask before, Named(context, task));
  conversion::v1::CreateTaskRequest request;
  request.set_request_id(NewUuid());
  *request.mutable_disks() = before.disks();
  *request.mutable_target() = before.target();
  request.set_mode(mode);
  ASSIGN_OR_RETURN(ConversionTask made,
                   Call(context, &ConversionService::Stub::CreateTask, request));
  const absl::Duration deadline = context.clock().Monotonic() + kPatience;
  Progress progress(context);
  while (!Over(made)) {
    if (context.clock().Monotonic() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(ShortName(made.name()), " is ", EnumWord(made.state()), "; it goes on"));
    }
    progress.Show(absl::StrCat(ShortName(made.name()), " ", EnumWord(made.state())),
                  made.progress_message(), -1);
    context.clock().Sleep(kPoll);
    ASSIGN_OR_RETURN(made, Get(context, made.name()));
  }
  if (made.state() != ConversionTask::SUCCEEDED) {
    return OperationFailed(absl::StrCat(ShortName(made.name()), ": ",
                                        made.has_error() ? made.error().message() : "cancelled"));
  }
  return made;
}

Command List(const char* words) {
  return {.words = words,
          .purpose = "conversions, newest first",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &ConversionService::Stub::ListTasks,
                                          conversion::v1::ListTasksRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintTasks(list, context.out());
            return absl::OkStatus();
          }};
}

Command Show(const char* words) {
  return {.words = words,
          .arguments = "TASK",
          .purpose = "what a conversion found and changed; --output json has every hash",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const ConversionTask task, Named(context, arguments[0]));
            if (context.json()) return PrintJson(context, task);
            PrintTask(task, context.out());
            if (!task.scripts().empty()) context.out() << "\nScripts\n";
            for (const auto& script : task.scripts()) {
              context.out() << "  " << Plain(script.name()) << ": " << script.exit_code() << "\n";
            }
            return absl::OkStatus();
          }};
}

Command Diff() {
  return {.words = "conversions diff",
          .arguments = "TASK",
          .purpose = "compares the converted disks of a task with what was kept of them",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const ConversionTask task,
                             OnTheSameDisks(context, arguments[0], ConversionTask::DIFF));
            if (context.json()) return PrintJson(context, task);
            for (std::size_t begin = 0; begin < task.diff().size();) {
              const std::size_t end = std::min(task.diff().find('\n', begin), task.diff().size());
              context.out() << Plain(task.diff().substr(begin, end - begin)) << "\n";
              begin = end + 1;
            }
            return absl::OkStatus();
          }};
}

Command Undo() {
  return {.words = "conversions undo",
          .arguments = "TASK",
          .purpose = "puts back what a conversion changed on its disks; no machine may use them",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const ConversionTask task,
                             OnTheSameDisks(context, arguments[0], ConversionTask::UNDO));
            if (context.json()) return PrintJson(context, task);
            PrintTask(task, context.out());
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> ConversionCommands() {
  return {List("conversions list"),
          List("conversion tasks list"),
          Show("conversions show"),
          Show("conversion tasks get"),
          Diff(),
          Undo()};
}

}  // namespace godwit::cli
