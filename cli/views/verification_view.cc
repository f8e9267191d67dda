#include "cli/views/verification_view.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/output.h"

namespace godwit::cli {
namespace {

using replication::v1::Verification;

std::string Share(std::int64_t done, std::int64_t total) {
  return absl::StrCat(Bytes(done), " of ", Bytes(total));
}

// Of a verification that succeeded.
std::string Outcome(std::int64_t differences) {
  if (differences == 0) return "none";
  return absl::StrCat(Blocks(differences), differences == 1 ? " differed and was sent again"
                                                            : " differed and were sent again");
}

std::string Between(const std::string& start, const std::string& end) {
  return absl::StrCat(start, " to ", end);
}

}  // namespace

std::string Blocks(std::int64_t count) {
  return absl::StrCat(count, count == 1 ? " block" : " blocks");
}

std::string VerificationFigures(const Verification& verification) {
  std::string out;
  if (verification.total_bytes() > 0) {
    out = Share(verification.compared_bytes(), verification.total_bytes());
  }
  if (verification.difference_count() > 0) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", Blocks(verification.difference_count()),
                    " differed");
  }
  return out;
}

double VerificationFraction(const Verification& verification) {
  if (verification.state() != Verification::COMPARING || verification.total_bytes() <= 0) return -1;
  return std::clamp(static_cast<double>(verification.compared_bytes()) /
                        static_cast<double>(verification.total_bytes()),
                    0.0, 1.0);
}

void PrintVerification(const Verification& verification, std::ostream& out) {
  const bool succeeded = verification.state() == Verification::SUCCEEDED;
  Fields fields;
  fields.Add("Verification", ShortName(verification.name()));
  fields.Add("State", EnumWord(verification.state()));
  fields.Add("Error", verification.error_message());
  fields.Add("Asked for", When(verification.create_time()));
  fields.Add("Compared", verification.has_start_time() ? Between(When(verification.start_time()),
                                                                 When(verification.end_time()))
                                                       : "");
  fields.Add("Bytes", Share(verification.compared_bytes(), verification.total_bytes()));
  fields.Add("Differences", succeeded ? Outcome(verification.difference_count())
                                      : Blocks(verification.difference_count()));
  fields.Add("Point", verification.point().empty() ? "" : ShortName(verification.point()));
  fields.Add("Root hash", verification.root_hash());
  fields.Print(out);
  PrintDifferences("Differences", verification.differences(), out);
}

void PrintVerifications(const replication::v1::ListVerificationsResponse& list, std::ostream& out) {
  Table table({"VERIFICATION", "STATE", "ASKED FOR", "COMPARED", "DIFFERENCES", "POINT", "ERROR"});
  for (const Verification& verification : list.verifications()) {
    table.Row({ShortName(verification.name()), EnumWord(verification.state()),
               When(verification.create_time()),
               Share(verification.compared_bytes(), verification.total_bytes()),
               absl::StrCat(verification.difference_count()), ShortName(verification.point()),
               verification.error_message().empty() ? "-" : verification.error_message()});
  }
  table.Print(out, "no verifications");
}

void PrintDifferences(
    absl::string_view heading,
    const google::protobuf::RepeatedPtrField<replication::v1::Difference>& differences,
    std::ostream& out) {
  if (differences.empty()) return;
  out << "\n" << std::string(heading) << "\n";
  Table table({"DISK", "OFFSET", "SIZE", "FOUND", "CAUSE"});
  for (const auto& row : differences) {
    table.Row({row.disk_id(), absl::StrCat(row.offset_bytes()), Bytes(row.size_bytes()),
               When(row.found_time()), EnumWord(row.cause())});
  }
  table.Print(out, "");
}

void PrintReport(const VerificationReport& report, std::ostream& out) {
  Fields fields;
  fields.Add("Signed by", absl::StrCat(report.signer, " at ", report.end_time));
  fields.Add("Certificate", absl::StrCat("SHA-256 ", report.certificate_sha256));
  fields.Add("Server", ShortName(report.server));
  fields.Add("Verification", ShortName(report.verification));
  fields.Add("Compared", Between(report.compare_start_time, report.compare_end_time));
  fields.Add("Bytes", Share(report.compared_bytes, report.total_bytes));
  fields.Add("Differences", Outcome(report.difference_count));
  fields.Add("Point", absl::StrCat(ShortName(report.point), " (epoch ", report.epoch, ", ",
                                   report.consistency, ")"));
  fields.Add("Equals the source at", report.cut_time);
  fields.Add("Root hash", report.root_hash);
  fields.Add("Coordinator", report.coordinator_version);
  fields.Print(out);
  out << "\nDisks\n";
  Table table({"DISK", "DEVICE", "SIZE"});
  for (const auto& disk : report.disks) {
    table.Row({disk.id, disk.device_name, Bytes(disk.size_bytes)});
  }
  table.Print(out, "none");
}

}  // namespace godwit::cli
