// The systemd unit that `godwit-agent install` writes: deploy/systemd/godwit-agent.service.
#pragma once

namespace godwit::agent {

extern const char kUnitText[];

}  // namespace godwit::agent
