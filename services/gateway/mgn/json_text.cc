#include "services/gateway/mgn/json_text.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

// Builds the document from the parser's events; the parser itself does not recurse.
class Builder final : public nlohmann::json_sax<json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return Add(json()); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(std::int64_t value) override { return Add(value); }
  bool number_unsigned(std::uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string&) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(json::binary_t&) override { return Fail("binary data"); }
  bool start_object(std::size_t) override { return Open(json::object()); }
  bool start_array(std::size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(std::string& value) override {
    if (open_.back()->contains(value)) {
      return Fail(absl::StrCat("the key \"", value.substr(0, 64), "\" appears twice"));
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("not JSON at byte ", position));
  }

  absl::StatusOr<json> Take(bool parsed) && {
    if (parsed && error_.empty()) return std::move(root_);
    return absl::InvalidArgumentError(error_.empty() ? "not JSON" : error_);
  }

 private:
  bool Fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  json* Place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[std::move(key_)] = std::move(value));
  }
  bool Add(json value) {
    if (++values_ > limits_.values) return Fail("too many values");
    Place(std::move(value));
    return true;
  }
  bool Open(json container) {
    if (static_cast<int>(open_.size()) >= limits_.depth) return Fail("nested too deeply");
    if (++values_ > limits_.values) return Fail("too many values");
    // Pointers stay valid: a container grows only while it is the innermost open one.
    open_.push_back(Place(std::move(container)));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits limits_;
  json root_;
  std::vector<json*> open_;
  std::string key_, error_;
  std::size_t values_ = 0;
};

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text, const JsonLimits& limits) {
  Builder builder(limits);
  const bool parsed = json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).Take(parsed);
}

}  // namespace godwit::gateway::mgn
