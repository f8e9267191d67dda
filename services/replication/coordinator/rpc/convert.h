// Rows -> messages.
#pragma once

#include "godwit/replication/v1/replication.pb.h"
#include "godwit/replication/v1/replication_service.pb.h"
#include "services/replication/coordinator/domain/types.h"
#include "services/replication/coordinator/domain/verification.h"
#include "services/replication/coordinator/store/order_store.h"
#include "services/replication/coordinator/store/point_store.h"

namespace godwit::coordinator {

void ToProto(const Server& server, replication::v1::Replication* out);
void ToProto(const Worker& worker, replication::v1::Worker* out);
void ToProto(const store::Point& point, replication::v1::Point* out);
void ToProto(const store::Clone& clone, replication::v1::Clone* out);
void ToProto(const Difference& difference, replication::v1::Difference* out);
void ToProto(const Verification& verification, replication::v1::Verification* out);

}  // namespace godwit::coordinator
