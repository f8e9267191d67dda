// import, export, imports, exports, connectors.
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/transfer_view.h"
#include "godwit/registry/v1/connector_service.grpc.pb.h"
#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::ExportTask;
using registry::v1::ImportTask;
using registry::v1::TransferService;
using Stub = TransferService::Stub;

constexpr absl::Duration kPoll = absl::Milliseconds(300);
constexpr std::size_t kMostFile = 4'000'000;  // that the registry takes in one request

struct Given {
  std::vector<std::string> tags;
  bool without_ids = false;
  absl::Duration timeout = absl::Hours(1);
};

template <typename Task>
bool Over(const Task& task) {
  return task.state() == ImportTask::FAILED || task.state() == ImportTask::SUCCEEDED;
}

// Asks for `task` until it is over. DEADLINE_EXCEEDED after `timeout`; the task goes on.
template <typename Task, typename Method, typename Describe>
absl::StatusOr<Task> WaitFor(Context& context, Task task, Method get, absl::Duration timeout,
                             const Describe& describe) {
  const absl::Duration deadline = context.clock().Monotonic() + timeout;
  Progress progress(context);
  registry::v1::GetTransferRequest request;
  request.set_name(task.name());
  while (!Over(task)) {
    if (context.clock().Monotonic() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(ShortName(task.name()), " has not ended; it goes on"));
    }
    describe(progress, task);
    context.clock().Sleep(kPoll);
    ASSIGN_OR_RETURN(task, Call(context, get, request));
  }
  return task;
}

template <typename Method>
absl::StatusOr<registry::v1::ListTransferErrorsResponse> ErrorsOf(Context& context,
                                                                  const std::string& name,
                                                                  Method list) {
  registry::v1::ListTransferErrorsRequest request;
  request.set_name(name);
  return CallAllPages(context, list, request);
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  if (path != "-") return ReadFile(path, kMostFile);
  std::string text(kMostFile + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (text.size() <= kMostFile) return text;
  return absl::ResourceExhaustedError(
      absl::StrCat("standard input has more than ", kMostFile, " bytes"));
}

absl::Status RunImport(Context& context, const Given& given, const std::string& path) {
  registry::v1::StartImportRequest request;
  request.set_request_id(NewUuid());
  absl::StatusOr<std::string> content = ReadInput(path);
  if (absl::IsResourceExhausted(content.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat(content.status().message(), ": split it, each part with the heading"));
  }
  RETURN_IF_ERROR(content);
  request.set_content(*std::move(content));
  ASSIGN_OR_RETURN(const auto tags, KeyValues("tag", given.tags));
  request.mutable_tags()->insert(tags.begin(), tags.end());
  ASSIGN_OR_RETURN(ImportTask task, Call(context, &Stub::StartImport, request));
  ASSIGN_OR_RETURN(
      task, WaitFor(context, task, &Stub::GetImport, given.timeout,
                    [](Progress& progress, const ImportTask& now) {
                      const double rows = static_cast<double>(now.row_count());
                      progress.Show(
                          absl::StrCat(ShortName(now.name()), " ", EnumWord(now.state())),
                          absl::StrCat(now.done_row_count(), " of ", now.row_count(), " rows"),
                          rows > 0 ? static_cast<double>(now.done_row_count()) / rows : -1);
                    }));
  ASSIGN_OR_RETURN(const auto errors, ErrorsOf(context, task.name(), &Stub::ListImportErrors));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context, task));
  } else {
    PrintImport(task, context.out());
    if (errors.errors_size() > 0) PrintTransferErrors(errors, context.out());
  }
  if (task.state() == ImportTask::SUCCEEDED) return absl::OkStatus();
  return OperationFailed(absl::StrCat(ShortName(task.name()), ": ", task.error_count(),
                                      task.error_count() == 1 ? " error" : " errors"));
}

absl::StatusOr<std::string> Download(Context& context, const ExportTask& task) {
  registry::v1::GetExportContentRequest request;
  request.set_name(task.name());
  std::string content;
  while (static_cast<std::int64_t>(content.size()) < task.content_bytes()) {
    request.set_offset(static_cast<std::int64_t>(content.size()));
    ASSIGN_OR_RETURN(const auto piece, Call(context, &Stub::GetExportContent, request));
    if (piece.content().empty()) {
      return absl::DataLossError("the file of the export is not kept any more; export again");
    }
    content += piece.content();
  }
  return content;
}

absl::Status RunExport(Context& context, const Given& given, const std::string& path) {
  registry::v1::StartExportRequest request;
  request.set_request_id(NewUuid());
  request.set_without_ids(given.without_ids);
  ASSIGN_OR_RETURN(const auto tags, KeyValues("tag", given.tags));
  request.mutable_tags()->insert(tags.begin(), tags.end());
  ASSIGN_OR_RETURN(ExportTask task, Call(context, &Stub::StartExport, request));
  ASSIGN_OR_RETURN(task, WaitFor(context, task, &Stub::GetExport, given.timeout,
                                 [](Progress& progress, const ExportTask& now) {
                                   progress.Show(ShortName(now.name()), EnumWord(now.state()), -1);
                                 }));
  ASSIGN_OR_RETURN(const auto errors, ErrorsOf(context, task.name(), &Stub::ListExportErrors));
  if (errors.errors_size() > 0) PrintTransferErrors(errors, context.err());
  if (task.state() != ImportTask::SUCCEEDED) {
    return OperationFailed(absl::StrCat(ShortName(task.name()), " failed"));
  }
  ASSIGN_OR_RETURN(const std::string content, Download(context, task));
  if (path == "-") {
    context.out() << content;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, content));
  if (context.json()) return PrintJson(context, task);
  PrintExport(task, context.out());
  return absl::OkStatus();
}

Command Transfer(const char* words, const char* purpose,
                 absl::Status (*run)(Context&, const Given&, const std::string&), bool exports) {
  auto given = std::make_shared<Given>();
  return {.words = words,
          .arguments = "FILE",
          .purpose = purpose,
          .least = 1,
          .most = 1,
          .options =
              [given, exports](Options& options) {
                options.Strings("tag", &given->tags, "K=V", "tag of the task; may be repeated");
                options.Duration("timeout", &given->timeout, "longest wait");
                if (exports) {
                  options.Bool("without-ids", &given->without_ids,
                               "for another installation: names alone tell what is what");
                }
              },
          .run = [given, run](
                     Context& context, const Options&,
                     const Arguments& arguments) { return run(context, *given, arguments[0]); }};
}

template <typename Method, typename Print>
Command List(const char* words, const char* purpose, Method list, Print print) {
  return {.words = words,
          .purpose = purpose,
          .run = [list, print](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto found,
                             CallAllPages(context, list, registry::v1::ListTransfersRequest()));
            if (context.json()) return PrintJson(context, found);
            print(found, context.out());
            return absl::OkStatus();
          }};
}

template <typename Method>
Command Errors(const char* words, const char* argument, const char* collection, const char* prefix,
               Method list) {
  return {.words = words,
          .arguments = argument,
          .purpose = "what was wrong, row by row (the heading is row 1)",
          .least = 1,
          .most = 1,
          .run = [=](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string name,
                             SimpleName(argument, collection, prefix, arguments[0]));
            ASSIGN_OR_RETURN(const auto errors, ErrorsOf(context, name, list));
            if (context.json()) return PrintJson(context, errors);
            PrintTransferErrors(errors, context.out());
            return absl::OkStatus();
          }};
}

Command ListConnectors() {
  return {.words = "connectors list",
          .purpose = "connectors that clients of the MGN API made; nothing acts on them",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(
                const auto found,
                CallAllPages(context, &registry::v1::ConnectorService::Stub::ListConnectors,
                             registry::v1::ListConnectorsRequest()));
            if (context.json()) return PrintJson(context, found);
            PrintConnectors(found, context.out());
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> TransferCommands() {
  return {
      Transfer("import", "waves, applications, servers from an inventory (docs/inventory.md)",
               RunImport, false),
      Transfer("export", "the inventory as a file that import takes back; \"-\": standard output",
               RunExport, true),
      List("imports list", "imports, newest first", &Stub::ListImports, PrintImports),
      Errors("imports errors", "IMPORT", "imports", "import-", &Stub::ListImportErrors),
      List("exports list", "exports, newest first", &Stub::ListExports, PrintExports),
      Errors("exports errors", "EXPORT", "exports", "export-", &Stub::ListExportErrors),
      ListConnectors()};
}

}  // namespace godwit::cli
