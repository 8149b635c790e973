// One direction of a relayed stream: the bytes of a source to a sink, and after them the end.
//
// No buffer is kept while the sink takes what comes: bytes go through the caller's scratch. What
// the sink does not take is kept, a scratch at most, and nothing is read until it has gone.
//
// Sources have `IoResult read(std::span<char>)`, sinks `IoResult write(std::string_view)` and
// `IoResult shutdown_write()`, as server::Link has them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/io_result.hpp"

namespace kscpush {

class Flow {
 public:
  enum class Next : std::uint8_t {
    kReadSource,   // when the source is readable
    kWriteSink,    // when the sink is writable
    kWriteSource,  // the source is TLS that must write before it reads
    kReadSink,     // and the other way round
    kAgain,        // there may be more at once; others have their turn first
    kDone,         // the end of the source has been passed on
    kSourceLost,
    kSinkLost,
    kCapped,  // the source has more than it may send
  };

  // Reads of one run: a source may give a byte at a time.
  static constexpr int kMostReads = 256;

  Flow() = default;
  // FIRST was read of the source already.
  explicit Flow(std::string first) : rest_(std::move(first)), read_(rest_.size()) {}

  // Moves what there is, about BUDGET bytes or kMostReads of the source. Of what is read from now
  // on MOST bytes may pass.
  template <class Source, class Sink>
  Next run(Source& source, Sink& sink, std::span<char> scratch, std::size_t budget,
           std::uint64_t most) {
    std::size_t moved = 0;
    int reads = 0;
    for (;;) {
      if (const Next next = write(sink, rest_, true); next != Next::kDone) return next;
      if (source_ended_) return finish(sink);
      if (source_lost_) return Next::kSourceLost;
      if (wanted_ != Next::kDone) return std::exchange(wanted_, Next::kDone);
      if (moved >= budget || reads >= kMostReads) return Next::kAgain;
      const std::size_t filled = fill(source, scratch, most - moved, reads);
      if (capped_) return Next::kCapped;
      moved += filled;
      read_ += filled;
      const Next next = write(sink, {scratch.data(), filled}, false);
      if (next != Next::kDone) return next;
    }
  }

  // That the sink has taken.
  [[nodiscard]] std::uint64_t bytes() const { return read_ - rest_.size(); }
  [[nodiscard]] bool done() const { return done_; }

 private:
  // As much as fits, counting the READS; one byte beyond MOST shows that there is more.
  template <class Source>
  std::size_t fill(Source& source, std::span<char> scratch, std::uint64_t most, int& reads) {
    const auto room =
        scratch.first(static_cast<std::size_t>(std::clamp<std::uint64_t>(most, 1, scratch.size())));
    std::size_t filled = 0;
    for (; filled < room.size() && reads < kMostReads; ++reads) {
      const IoResult got = source.read(room.subspan(filled));
      if (got.kind == IoResult::Kind::kBytes) {
        filled += got.bytes;
        continue;
      }
      source_ended_ = got.kind == IoResult::Kind::kEnd;
      source_lost_ = got.kind == IoResult::Kind::kError;
      if (got.kind == IoResult::Kind::kWantRead) wanted_ = Next::kReadSource;
      if (got.kind == IoResult::Kind::kWantWrite) wanted_ = Next::kWriteSource;
      break;
    }
    capped_ = filled > most;
    return filled;
  }

  // kDone: all of it is written. The rest is kept in rest_, which KEPT is.
  template <class Sink>
  Next write(Sink& sink, std::string_view bytes, bool kept) {
    std::string_view left = bytes;
    Next next = Next::kDone;
    while (!left.empty() && next == Next::kDone) {
      const IoResult wrote = sink.write(left);
      if (wrote.kind == IoResult::Kind::kBytes) {
        left.remove_prefix(wrote.bytes);
      } else if (wrote.kind == IoResult::Kind::kWantWrite) {
        next = Next::kWriteSink;
      } else {
        next = wrote.kind == IoResult::Kind::kWantRead ? Next::kReadSink : Next::kSinkLost;
      }
    }
    if (!kept) {
      rest_.assign(left);
    } else if (left.empty()) {
      std::string().swap(rest_);
    } else {
      rest_.erase(0, bytes.size() - left.size());
    }
    return next;
  }

  template <class Sink>
  Next finish(Sink& sink) {
    if (done_) return Next::kDone;
    const IoResult shut = sink.shutdown_write();
    if (shut.kind == IoResult::Kind::kWantWrite) return Next::kWriteSink;
    if (shut.kind == IoResult::Kind::kError) return Next::kSinkLost;
    done_ = true;
    return Next::kDone;
  }

  std::string rest_;  // read, and not taken by the sink
  std::uint64_t read_ = 0;
  Next wanted_ = Next::kDone;  // what the source waits for; kDone: nothing
  bool source_ended_ = false;
  bool source_lost_ = false;
  bool capped_ = false;
  bool done_ = false;
};

}  // namespace kscpush
