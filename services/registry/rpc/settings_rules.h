// What settings may be, and how a request changes them. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/settings.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace godwit::registry {

// INVALID_ARGUMENT names the field with `prefix` before it ("settings.lane_count").
absl::Status CheckReplicationSettings(const std::string& prefix,
                                      const godwit::registry::v1::ReplicationSettings& settings);
absl::Status CheckLaunchSettings(const std::string& prefix,
                                 const godwit::jobs::v1::LaunchSettings& settings);

// Notes of settings: at most 64, names of 1 to 64 bytes. `left` is how many bytes all notes of the
// settings may still have; what these take is taken from it.
inline constexpr std::size_t kMostNoteBytes = 256 * 1024;
absl::Status CheckNotes(const std::string& field,
                        const google::protobuf::Map<std::string, std::string>& notes,
                        std::size_t* left);

// What jobs need of launch settings: all but the notes.
void DropNotes(godwit::jobs::v1::LaunchSettings* settings);

// Top-level fields of `source` that the mask names replace those of `target`; "*" names all. A
// field that is unset in `source` is cleared. INVALID_ARGUMENT: the mask is empty or names no
// field.
absl::Status MergeByMask(const google::protobuf::Message& source,
                         const google::protobuf::FieldMask& mask,
                         google::protobuf::Message* target);
// The check of the mask alone.
absl::Status CheckMask(const google::protobuf::Descriptor& type,
                       const google::protobuf::FieldMask& mask);

}  // namespace godwit::registry
