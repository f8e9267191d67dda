#include "services/registry/domain/told_servers.h"

#include <utility>

namespace godwit::registry {
namespace {

// FNV-1a, and what splitmix64 ends with: ids that differ in one digit differ in all bits.
std::uint64_t Hash(absl::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace

void IdDigest::Toggle(absl::string_view id) { value_ ^= Hash(id); }

std::uint64_t DigestOf(const std::set<std::string>& ids) {
  IdDigest digest;
  for (const std::string& id : ids) digest.Toggle(id);
  return digest.value();
}

ToldServers::ToldServers(std::set<std::string> ids) : ids_(std::move(ids)) {
  for (const std::string& id : *ids_) digest_.Toggle(id);
}

void ToldServers::Add(const std::string& id) {
  if (ids_ && ids_->insert(id).second) digest_.Toggle(id);
}

void ToldServers::Remove(const std::string& id) {
  if (ids_ && ids_->erase(id) != 0) digest_.Toggle(id);
}

std::optional<std::uint64_t> ToldServers::digest() const {
  if (!ids_) return std::nullopt;
  return digest_.value();
}

}  // namespace godwit::registry
