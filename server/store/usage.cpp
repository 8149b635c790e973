#include "server/store/usage.hpp"

namespace kscpush::server {
namespace {

std::int64_t size_of(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

}  // namespace

Result<std::int64_t> used_bytes(Database& database) {
  const auto size = database.number("PRAGMA page_size");
  if (!size) return fail(size.error());
  const auto pages = database.number("PRAGMA page_count");
  if (!pages) return fail(pages.error());
  const auto free = database.number("PRAGMA freelist_count");
  if (!free) return fail(free.error());
  return (*pages - *free) * *size;
}

Result<std::int64_t> UsageMeter::measure(Database& database, std::int64_t limit,
                                         std::size_t bytes) {
  constexpr std::size_t kRows = 256;
  if (rows_ == 0 || used_ >= limit) {
    const auto used = used_bytes(database);
    if (!used) return used;
    used_ = *used;
    rows_ = kRows;
  }
  --rows_;
  const std::int64_t now = used_;
  used_ += static_cast<std::int64_t>(bytes);
  return now;
}

Result<StoreUsage> measure_usage(Database& database) {
  StoreUsage usage;
  const auto used = used_bytes(database);
  if (!used) return fail(used.error());
  usage.used_bytes = *used;
  usage.database_bytes = size_of(database.path());
  usage.log_bytes = size_of(database.path().string() + "-wal");
  const auto resyncs =
      database.number("SELECT count(*) FROM devices WHERE resync_since IS NOT NULL");
  if (!resyncs) return fail(resyncs.error());
  usage.resyncs = *resyncs;
  std::int64_t oldest = 0;
  {
    // Device by device: then the index alone is read, and none of the history.
    auto query = database.query(
        "SELECT count(*), min(seq) FROM devices CROSS JOIN pushes"
        " ON device = devices.id AND (state < 3) = 1");
    if (!query) return fail(query.error());
    const auto row = query->next();
    if (!row) return fail(row.error());
    usage.pending = query->integer(0);
    oldest = query->integer(1);
  }
  if (usage.pending == 0) return usage;
  auto query = database.query("SELECT stored_at FROM pushes WHERE seq = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(oldest).next();
  if (!row) return fail(row.error());
  if (*row) usage.oldest_pending = query->optional_time(0);
  return usage;
}

}  // namespace kscpush::server
