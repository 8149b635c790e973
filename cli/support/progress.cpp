#include "cli/support/progress.hpp"

#include <ostream>

#include <fmt/format.h>

namespace kscpush::cli {

Progress::Progress(std::string what, std::size_t total, const Context& context)
    : what_(std::move(what)), total_(total), context_(context) {}

Progress::~Progress() {
  if (shown_) context_.err << "\r\033[K" << std::flush;
}

void Progress::at(std::size_t done) {
  say(total_ == 0 ? fmt::format("{} {}", done, what_)
                  : fmt::format("{} of {} {} ({} %)", done, total_, what_, done * 100 / total_));
}

void Progress::say(std::string_view text) {
  if (!context_.terminal) return;
  shown_ = true;
  context_.err << "\r\033[K" << text << std::flush;
}

}  // namespace kscpush::cli
