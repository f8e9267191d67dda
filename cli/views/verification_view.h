// Verifications and differences as people read them.
#pragma once

#include <iosfwd>
#include <string>

#include "cli/verification_report.h"
#include "godwit/replication/v1/replication.pb.h"
#include "godwit/replication/v1/replication_service.pb.h"

namespace godwit::cli {

std::string Blocks(std::int64_t count);  // "1 block", "2 blocks"
// "1.2 GiB of 4.0 GiB, 2 blocks differed": what a verification shows while it lasts.
std::string VerificationFigures(const replication::v1::Verification& verification);
// Compared share, -1 when it is not known.
double VerificationFraction(const replication::v1::Verification& verification);

void PrintVerification(const replication::v1::Verification& verification, std::ostream& out);
void PrintVerifications(const replication::v1::ListVerificationsResponse& list, std::ostream& out);
// A table under a heading; nothing when there are none.
void PrintDifferences(
    absl::string_view heading,
    const google::protobuf::RepeatedPtrField<replication::v1::Difference>& differences,
    std::ostream& out);
// What a verified report proves.
void PrintReport(const VerificationReport& report, std::ostream& out);

}  // namespace godwit::cli
