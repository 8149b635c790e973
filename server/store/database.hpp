// SQLite with owners, values and errors.
//
// A Database is one connection; a Query is one use of one of its statements, which are prepared
// once and kept. One thread at a time. Errors name the file, say what happened in words and hint at
// the remedy; the connection stays usable after them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sqlite3.h>

#include "core/clock.hpp"
#include "core/result.hpp"

namespace kscpush::server {

// How long a statement waits for a lock that another program (sqlite3, a backup) holds.
inline constexpr std::chrono::milliseconds kBusyTimeout{5000};

class Query {
 public:
  Query(Query&& other) noexcept
      : statement_(other.statement_), database_(other.database_), copies_(other.copies_) {
    other.statement_ = nullptr;
  }
  Query& operator=(Query&&) = delete;
  ~Query();

  // Values for ?1, ?2 and so on; text is copied.
  template <class... Values>
  Query& bind(const Values&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  // True: there is a row, and the columns can be read until the next call.
  [[nodiscard]] Result<bool> next();
  // For statements without rows.
  [[nodiscard]] Status run();

  // Columns count from 0.
  [[nodiscard]] bool null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] WallTime time(int column) const;
  [[nodiscard]] std::optional<WallTime> optional_time(int column) const;

 private:
  friend class Database;
  Query(sqlite3_stmt* statement, class Database& database)
      : statement_(statement), database_(&database) {}
  void bind_one(int index, std::int64_t value);
  void bind_one(int index, int value) { bind_one(index, std::int64_t{value}); }
  void bind_one(int index, std::size_t value);
  void bind_one(int index, std::string_view value);
  void bind_one(int index, WallTime value);
  void bind_one(int index, const std::optional<WallTime>& value);
  void bind_one(int index, const std::optional<std::int64_t>& value);

  sqlite3_stmt* statement_;  // the database's
  Database* database_;
  bool copies_ = true;  // text that is bound
};

class Database {
 public:
  enum class Access : std::uint8_t { kReadWrite, kReadOnly };
  // Creates an empty file, mode 0600, when there is none and ACCESS allows it.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& path, Access access);

  // SQL must outlive the database: a literal. Two queries of the same text must not overlap.
  [[nodiscard]] Result<Query> query(std::string_view sql);
  // The same in one: binds, runs, expects no rows.
  template <class... Values>
  [[nodiscard]] Status run(std::string_view sql, const Values&... values) {
    auto prepared = query(sql);
    if (!prepared) return fail(prepared.error());
    prepared->copies_ = false;  // the values outlive it
    return prepared->bind(values...).run();
  }
  // Calls CHANGE in a savepoint of the transaction that is open: when it fails, what it has done is
  // taken back. The transaction is closed afterwards when SQLite has given it up, or half of CHANGE
  // might be in it.
  [[nodiscard]] Status in_savepoint(const std::function<Status(Database&)>& change);
  // Several statements, not kept.
  [[nodiscard]] Status script(const std::string& sql);
  // Copies all of it, as the present transaction sees it, over what TARGET holds.
  [[nodiscard]] Status copy_to(
      Database& target, const std::function<void(std::size_t done, std::size_t total)>& progress);
  // From now on only checkpoint() works the write-ahead log off, and log_pages() is its length
  // after the last commit.
  void keep_checkpoints();
  [[nodiscard]] int log_pages() const { return log_pages_ ? *log_pages_ : 0; }
  // As far as readers let it. What fails stays in the log, for the next time.
  void checkpoint();
  // The pages that it has read or written and keeps for the next time.
  void forget_pages() { sqlite3_db_release_memory(handle_.get()); }
  [[nodiscard]] std::size_t page_bytes() const;  // of memory, for those pages
  // Closing it leaves the log's file, be it empty.
  void keep_log();
  // One number: PRAGMA user_version, SELECT count(*) ...
  [[nodiscard]] Result<std::int64_t> number(std::string_view sql);

  [[nodiscard]] std::int64_t changes() const { return sqlite3_changes64(handle_.get()); }
  [[nodiscard]] std::int64_t last_insert() const {
    return sqlite3_last_insert_rowid(handle_.get());
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
  // The error that a call which returned CODE left on the connection.
  [[nodiscard]] Error error(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  // The texts are constants: to look at all of one would cost more than to find it.
  struct AddressHash {
    std::size_t operator()(std::string_view sql) const {
      return std::hash<const char*>{}(sql.data());
    }
  };
  Database() = default;

  std::filesystem::path path_;
  std::unique_ptr<int> log_pages_;  // where SQLite can write it, wherever this moves
  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string_view, std::unique_ptr<sqlite3_stmt, Close>, AddressHash>
      statements_;
};

}  // namespace kscpush::server
