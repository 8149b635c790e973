#include "cli/support/event_stream.hpp"

#include <utility>

namespace kscpush::cli {
namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 20U;

}  // namespace

void EventStream::feed(std::string_view bytes) {
  for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    rest_.append(bytes.substr(0, end));
    if (rest_.ends_with('\r')) rest_.pop_back();
    line(std::exchange(rest_, {}));
    bytes.remove_prefix(end + 1);
  }
  if (rest_.size() + bytes.size() > kLongestLine) return rest_.clear();  // none that we know
  rest_.append(bytes);
}

void EventStream::restart() {
  rest_.clear();
  event_ = {};
}

void EventStream::line(std::string_view text) {
  if (text.empty()) return dispatch();
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "id") {
    last_id_ = value;
  } else if (name == "event") {
    event_.type = value;
  } else if (name == "data") {
    if (!event_.data.empty()) event_.data += '\n';
    event_.data += value;
  }
}

void EventStream::dispatch() {
  ServerEvent event = std::exchange(event_, {});
  if (event.data.empty()) return;
  event.id = last_id_;
  take_(event);
}

}  // namespace kscpush::cli
