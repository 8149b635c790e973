// Two streams as one, in both directions: a flow each way, and when that is over: when both sides
// have closed, one is lost, or a silence, a lifetime or a number of bytes is beyond its bound. Who
// owns the streams waits for them, keeps the time and closes them.
//
// Streams are sources and sinks as core/flow.hpp has them, with a last_error().
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/flow.hpp"

namespace kscpush {

struct TwoWayLimits {
  Duration idle{};      // without a byte; 0: no limit
  Duration lifetime{};  // in all; likewise
  std::uint64_t most_bytes = std::numeric_limits<std::uint64_t>::max();  // both ways together
};

class TwoWay {
 public:
  enum class Way : std::uint8_t { kOut, kIn };  // from near to far; back
  enum class Do : std::uint8_t {
    kWaitReadable,
    kWaitWritable,
    kAgain,    // run this way once more when others have had their turn
    kNothing,  // this way is done
    kOver,     // end() says why: the streams are to be closed
  };
  struct Next {
    Do what;
    bool near = false;  // the side to wait for
    bool usual = true;  // the source is waited for to be readable, the sink to be writable
  };
  struct End {
    bool orderly = false;  // both sides have closed
    std::string reason;
  };

  // Bytes of one run, so that a busy stream does not hold up the others.
  static constexpr std::size_t kBudget = 512UL * 1024;

  // The names say which side was lost: "the device's side". Of each, what was read already.
  struct Side {
    std::string name;
    std::string first{};
  };
  TwoWay(const TwoWayLimits& limits, MonoTime now, Side near, Side far);

  template <class Stream>
  Next run(Way way, Stream& near, Stream& far, std::span<char> scratch, MonoTime now) {
    const bool out = way == Way::kOut;
    Flow& flow = out ? out_ : in_;
    if (end_ || flow.done()) return {Do::kNothing};
    Stream& source = out ? near : far;
    Stream& sink = out ? far : near;
    const std::uint64_t before = flow.bytes();
    const auto next = flow.run(source, sink, scratch, kBudget, may_pass());
    if (flow.bytes() != before) moved_ = now;
    switch (next) {
      case Flow::Next::kReadSource:
        return {Do::kWaitReadable, out};
      case Flow::Next::kWriteSink:
        return {Do::kWaitWritable, !out};
      case Flow::Next::kWriteSource:
        return {Do::kWaitWritable, out, /*usual=*/false};
      case Flow::Next::kReadSink:
        return {Do::kWaitReadable, !out, /*usual=*/false};
      case Flow::Next::kAgain:
        return {Do::kAgain};
      case Flow::Next::kDone:
        return close_if_done();
      case Flow::Next::kSourceLost:
        return lost(out, source.last_error());
      case Flow::Next::kSinkLost:
        return lost(!out, sink.last_error());
      case Flow::Next::kCapped:
        break;
    }
    return capped();
  }

  // When to ask expired(); MonoTime::max(): never.
  [[nodiscard]] MonoTime deadline() const;
  // It has been silent, or has lasted, for too long, and is over.
  [[nodiscard]] bool expired(MonoTime now);
  // False: it was over before.
  bool end(std::string reason);
  [[nodiscard]] const std::optional<End>& end() const { return end_; }

  // That the other side has taken.
  [[nodiscard]] std::uint64_t from_near() const { return out_.bytes(); }
  [[nodiscard]] std::uint64_t from_far() const { return in_.bytes(); }
  [[nodiscard]] bool near_has_closed() const { return out_.done(); }

 private:
  [[nodiscard]] std::uint64_t may_pass() const;
  Next close_if_done();
  Next lost(bool near, std::string_view why);
  Next capped();

  const TwoWayLimits limits_;
  const std::string near_name_;
  const std::string far_name_;
  Flow out_;
  Flow in_;
  const MonoTime begun_;
  MonoTime moved_;  // a byte
  std::optional<End> end_;
};

}  // namespace kscpush
