// How much there is in the database.
#pragma once

#include "server/store/database.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

// What is in use of the file; free pages do not count.
[[nodiscard]] Result<std::int64_t> used_bytes(Database& database);
[[nodiscard]] Result<StoreUsage> measure_usage(Database& database);

// used_bytes() for those who add rows one after another: measured now and then, in between what the
// rows carry is added.
class UsageMeter {
 public:
  // BYTES are about to be added. What has reached LIMIT is measured each time.
  [[nodiscard]] Result<std::int64_t> measure(Database& database, std::int64_t limit,
                                             std::size_t bytes);

 private:
  std::size_t rows_ = 0;  // until it is measured again
  std::int64_t used_ = 0;
};

}  // namespace kscpush::server
