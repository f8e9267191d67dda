// Rows of conversion.task as domain objects.
#pragma once

#include "services/common/pg/connection.h"
#include "services/conversion/service/domain/task.h"

namespace godwit::conversion {

// The columns RowToTask expects, in its order.
#define GODWIT_CONVERSION_TASK_COLUMNS                                                       \
  "seq, id, state, mode, input, result, timeout_ms, attempt_count, epoch, worker, message, " \
  "cancel_requested_at IS NOT NULL, error_code, error_message, "                             \
  "(extract(epoch FROM create_time) * 1e6)::bigint, (extract(epoch FROM start_time) * "      \
  "1e6)::bigint, (extract(epoch FROM end_time) * 1e6)::bigint"

Task RowToTask(const pg::Result& result, int row);

}  // namespace godwit::conversion
