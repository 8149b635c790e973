#include "core/diagnostic.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("regression: letters that changed places are one slip of the hand") {
  CHECK(did_you_mean("prot", {"port"}) == "port");
  CHECK(did_you_mean("opt", {"pot"}) == "pot");
  CHECK(suggestion("prot", {"listen", "port"}) == "; did you mean 'port'?");
}

TEST_CASE("a suggestion is one slip away, or a third of a longer word") {
  CHECK(did_you_mean("pot", {"port"}) == "port");
  CHECK(did_you_mean("porrt", {"port"}) == "port");
  CHECK(did_you_mean("pxxt", {"port"}).empty());
  CHECK(did_you_mean("conections", {"connections"}) == "connections");
  CHECK(did_you_mean("", {"port"}).empty());
  CHECK(did_you_mean("port", {"prot", "port"}) == "port");  // the nearest, not the first
}

}  // namespace kscpush
