#include "server/store/database.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;

struct Explanation {
  int code;  // SQLite's primary one
  ErrorCode kind;
  std::string_view what;
  std::string_view hint;  // {} is the folder
};

constexpr std::array kExplanations{
    Explanation{SQLITE_FULL, ErrorCode::kFailed, "the disk is full",
                "free some space: df -h {}; what was accepted before is safe"},
    Explanation{SQLITE_IOERR, ErrorCode::kFailed, "the disk reports an error",
                "look at the disk: dmesg | tail; df -h {}"},
    Explanation{SQLITE_READONLY, ErrorCode::kDenied, "it cannot be written",
                "look at the permissions and the mount: ls -la {}; findmnt -T {}"},
    Explanation{SQLITE_CANTOPEN, ErrorCode::kDenied, "it cannot be opened",
                "look at the permissions: ls -la {}"},
    Explanation{SQLITE_PERM, ErrorCode::kDenied, "access is denied",
                "look at the permissions: ls -la {}"},
    Explanation{SQLITE_CORRUPT, ErrorCode::kFailed, "it is damaged",
                "look with 'kscpush store check', then restore {} from a backup (docs/store.md)"},
    Explanation{SQLITE_NOTADB, ErrorCode::kFailed, "it is not a kscpush database",
                "name another state directory than {}, or restore it from a backup"},
    Explanation{SQLITE_BUSY, ErrorCode::kOverloaded, "another program holds it locked",
                "end the program that has it open: fuser -v {}/*"},
    Explanation{SQLITE_LOCKED, ErrorCode::kOverloaded, "it is locked", "try again"},
    Explanation{SQLITE_NOMEM, ErrorCode::kOverloaded, "there is not enough memory", "try again"},
};

std::string fill_in(std::string_view hint, const std::string& folder) {
  std::string text(hint);
  for (std::size_t at = 0; (at = text.find("{}", at)) != std::string::npos; at += folder.size()) {
    text.replace(at, 2, folder);
  }
  return text;
}

// SQLite would create it for everybody to read; its -wal and -shm take the mode from it.
Status create_private(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return fail(file_error("open", path, errno));
  if (::fchmod(file.get(), 0600) != 0) return fail(file_error("set the mode of", path, errno));
  return {};
}

}  // namespace

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::bind_one(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
}

void Query::bind_one(int index, std::size_t value) {
  constexpr auto kMax = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
  bind_one(index, static_cast<std::int64_t>(std::min(value, kMax)));
}

void Query::bind_one(int index, std::string_view value) {
  const char* const data = value.data() == nullptr ? "" : value.data();  // nullptr would be NULL
  sqlite3_bind_text64(statement_, index, data, value.size(),
                      copies_ ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
}

void Query::bind_one(int index, WallTime value) {
  bind_one(index, std::int64_t{value.time_since_epoch().count()});
}

void Query::bind_one(int index, const std::optional<WallTime>& value) {
  if (value) {
    bind_one(index, *value);
  } else {
    sqlite3_bind_null(statement_, index);
  }
}

void Query::bind_one(int index, const std::optional<std::int64_t>& value) {
  if (value) {
    bind_one(index, *value);
  } else {
    sqlite3_bind_null(statement_, index);
  }
}

Result<bool> Query::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(database_->error(code));
}

Status Query::run() {
  const auto row = next();
  if (!row) return fail(row.error());
  return {};
}

bool Query::null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Query::text(int column) const {
  const unsigned char* const data = sqlite3_column_text(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(data, data + size);
}

WallTime Query::time(int column) const {
  return WallTime{std::chrono::milliseconds(integer(column))};
}

std::optional<WallTime> Query::optional_time(int column) const {
  if (null(column)) return std::nullopt;
  return time(column);
}

namespace {

// SQLite counts its memory under a lock, for figures that nobody asks for: a tenth of what a push
// costs.
void count_no_memory() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(once);
}

// In place of SQLite's own, which after a while looks only every 100 ms: a busy server is between
// two transactions for a moment only, and it might miss all of them.
int look_again(void* /*unused*/, int times) {
  thread_local std::chrono::steady_clock::time_point begun;
  const auto now = std::chrono::steady_clock::now();
  if (times == 0) begun = now;
  if (now - begun >= kBusyTimeout) return 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return 1;
}

}  // namespace

Result<Database> Database::open(const fs::path& path, Access access) {
  count_no_memory();
  const bool writes = access == Access::kReadWrite;
  if (writes) {
    if (auto created = create_private(path); !created) return fail(created.error());
  }
  Database database;
  database.path_ = path;
  sqlite3* handle = nullptr;
  const int flags = (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database.handle_.reset(handle);  // also after an error
  if (code != SQLITE_OK) return fail(database.error(code));
  sqlite3_busy_handler(handle, look_again, nullptr);
  return database;
}

Result<Query> Database::query(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return fail(error(code));
    found = statements_.try_emplace(sql, statement).first;
  }
  return Query(found->second.get(), *this);
}

Status Database::in_savepoint(const std::function<Status(Database&)>& change) {
  if (auto begun = run("SAVEPOINT change"); !begun) return begun;
  auto status = change(*this);
  if (!in_transaction()) {
    return status ? fail(ErrorCode::kFailed, "the database gave up the transaction") : status;
  }
  auto ended = status ? Status() : run("ROLLBACK TO change");
  if (ended) ended = run("RELEASE change");
  if (ended) return status;
  // Half of the change might be in it.
  if (in_transaction()) static_cast<void>(run("ROLLBACK"));
  return ended;
}

Status Database::script(const std::string& sql) {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(code));
  return {};
}

std::size_t Database::page_bytes() const {
  int bytes = 0;
  int highest = 0;
  sqlite3_db_status(handle_.get(), SQLITE_DBSTATUS_CACHE_USED, &bytes, &highest, 0);
  return static_cast<std::size_t>(bytes);
}

Status Database::copy_to(Database& target,
                         const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr int kPages = 1024;
  sqlite3_backup* const backup =
      sqlite3_backup_init(target.handle_.get(), "main", handle_.get(), "main");
  if (backup == nullptr) return fail(target.error(sqlite3_extended_errcode(target.handle_.get())));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup, kPages);
    const auto total = static_cast<std::size_t>(sqlite3_backup_pagecount(backup));
    progress(total - static_cast<std::size_t>(sqlite3_backup_remaining(backup)), total);
  }
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return fail(target.error(code));
  return {};
}

void Database::keep_checkpoints() {
  log_pages_ = std::make_unique<int>(0);
  // In place of SQLite's own hook, which works the log off before the commit returns.
  sqlite3_wal_hook(
      handle_.get(),
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      log_pages_.get());
}

void Database::checkpoint() {
  sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  *log_pages_ = 0;
}

void Database::keep_log() {
  int on = 1;
  sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_PERSIST_WAL, &on);
}

Result<std::int64_t> Database::number(std::string_view sql) {
  auto prepared = query(sql);
  if (!prepared) return fail(prepared.error());
  const auto row = prepared->next();
  if (!row) return fail(row.error());
  return *row ? prepared->integer(0) : 0;
}

Error Database::error(int code) const {
  const std::string folder = path_.parent_path().string();
  const int primary = code & 0xff;
  for (const Explanation& row : kExplanations) {
    if (row.code != primary) continue;
    std::string message = fmt::format("the database {}: {}", path_.string(), row.what);
    const int system = handle_ == nullptr ? 0 : sqlite3_system_errno(handle_.get());
    if (system != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
      message += fmt::format(" ({})", std::generic_category().message(system));
    }
    return {row.kind, std::move(message), fill_in(row.hint, folder)};
  }
  const char* const said =
      handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_.get());
  return {primary == SQLITE_CONSTRAINT ? ErrorCode::kConflict : ErrorCode::kFailed,
          fmt::format("the database {}: {} (SQLite error {})", path_.string(), said, code),
          {}};
}

}  // namespace kscpush::server
