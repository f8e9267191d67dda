// The blocks of a machine's disks that are to travel before all others: what says whether its copy
// will boot. See docs/replication.md, What is copied first.
#pragma once

#include <string>
#include <vector>

#include "agent/boot/picker.h"

namespace godwit::agent {

struct FirstPlan {
  std::vector<FirstRun> runs;  // in the order in which they are wanted; no block twice
  // What is left out, for people; empty: nothing that could be had.
  std::vector<std::string> left_out;
};

struct PlanSource {
  // "major:minor" of each disk; empty where it is not a device. In the order of the disks.
  std::vector<std::string> disks;
  std::string mountinfo;             // the text of /proc/self/mountinfo
  std::vector<std::string> devices;  // "major:minor" of what file systems are looked at
  std::string root;                  // the machine's root folder, "" for "/"
};

// Reads of the disks and asks the mounted file systems; bounded by `limits`, and stops with what it
// has. Whatever cannot be read is left out.
FirstPlan PlanFirstBlocks(std::vector<PickedDisk> disks, const PlanSource& source,
                          const Picker::Limits& limits);

// Where the device "major:minor" lies on the disks: one piece, or those of a linear device-mapper
// volume. NOT_FOUND and others: nowhere, or not in this way.
absl::StatusOr<Volume> FindVolume(const std::string& device, const std::vector<std::string>& disks);

}  // namespace godwit::agent
