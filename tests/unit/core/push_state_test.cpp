#include <doctest/doctest.h>

#include "core/push.hpp"

namespace kscpush {

TEST_CASE("push states: forward among the first six, steps may be left out") {
  for (std::size_t from = 0; from <= 4; ++from) {
    for (std::size_t to = 0; to <= 5; ++to) {
      CAPTURE(from);
      CAPTURE(to);
      CHECK(may_follow(PushState(from), PushState(to)) == (to > from));
    }
  }
}

TEST_CASE("push states: an end comes from any state that is not final, and nothing after it") {
  for (std::size_t from = 0; from < kPushStates; ++from) {
    for (std::size_t to = 0; to < kPushStates; ++to) {
      CAPTURE(from);
      CAPTURE(to);
      if (is_final(PushState(from))) CHECK_FALSE(may_follow(PushState(from), PushState(to)));
      if (from < 5 && to > 5) CHECK(may_follow(PushState(from), PushState(to)));
    }
  }
}

}  // namespace kscpush
