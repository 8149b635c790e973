#include "cli/app.hpp"

#include <sstream>

#include <doctest/doctest.h>

#include "cli/context.hpp"

namespace kscpush::cli {

TEST_CASE("regression: no error brings a terminal's commands of others with it") {
  std::ostringstream out;
  std::ostringstream err;
  const SystemClock clock;
  const Context context{
      .out = out, .err = err, .clock = clock, .directory = {}, .environment = [](const char*) {
        return std::nullopt;
      }};
  print_error({ErrorCode::kFailed, "device 'pc-1': \x1b[2Jgone", "\x1b]0;title\x07"}, context);
  CHECK(err.str() == "error: device 'pc-1': ?[2Jgone\nhint: ?]0;title?\n");
}

}  // namespace kscpush::cli
