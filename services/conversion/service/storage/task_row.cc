#include "services/conversion/service/storage/task_row.h"

namespace godwit::conversion {

Task RowToTask(const pg::Result& result, int row) {
  Task task;
  task.sequence = result.Int(row, 0);
  task.id = std::string(result.Text(row, 1));
  task.state = static_cast<TaskState>(result.Int(row, 2));
  task.mode = static_cast<TaskMode>(result.Int(row, 3));
  task.input = result.Bytes(row, 4);
  if (!result.IsNull(row, 5)) task.result = result.Bytes(row, 5);
  task.timeout = absl::Milliseconds(result.Int(row, 6));
  task.attempt_count = static_cast<int>(result.Int(row, 7));
  task.epoch = result.Int(row, 8);
  task.worker = std::string(result.Text(row, 9));
  task.message = std::string(result.Text(row, 10));
  task.cancel_requested = result.Bool(row, 11);
  if (result.Int(row, 12) != 0) {
    task.error =
        absl::Status(static_cast<absl::StatusCode>(result.Int(row, 12)), result.Text(row, 13));
  }
  task.create_time = result.Time(row, 14).value_or(absl::UnixEpoch());
  task.start_time = result.Time(row, 15);
  task.end_time = result.Time(row, 16);
  return task;
}

}  // namespace godwit::conversion
