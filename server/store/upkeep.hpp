// Looking after a store from outside, while a push server has it open or not: check, compact, back
// up. Each opens connections of its own, so that SQLite's locks keep the parties apart; none needs
// the server's help or holds it up for longer than a moment.
//
// Any thread; each call works until it is done. Errors, common to all: kNotFound (no database
// there), those of a database that is damaged or somebody else's, and of a newer kscpush.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "server/store/database.hpp"

namespace kscpush::server {

// Called now and then with how much is done of how much.
using UpkeepProgress = std::function<void(std::size_t done, std::size_t total)>;

struct StoreCheck {
  std::vector<std::string>
      problems;              // kMostProblems of each kind at most; empty: all holds together
  std::int64_t version = 0;  // of the schema
  std::int64_t devices = 0;
  std::int64_t pushes = 0;  // history included
  std::int64_t bytes = 0;   // of the file
};
inline constexpr int kMostProblems = 20;

// SQLite's own check, references between tables, and what must be true of devices and pushes, all
// of one moment. QUICK leaves out that indexes agree with their tables. The log of a busy server
// grows while this runs.
[[nodiscard]] Result<StoreCheck> check_store(const std::filesystem::path& directory, bool quick,
                                             WallTime now, const UpkeepProgress& progress);
// The same on an open database, within the transaction that it is in.
[[nodiscard]] Result<StoreCheck> check_database(Database& database, bool quick, WallTime now,
                                                const UpkeepProgress& progress);

struct Compaction {
  std::int64_t before = 0;  // bytes, of database and log together
  std::int64_t after = 0;
  bool online = false;  // a server had it open
};

// Gives free pages back to the file system. Without a server the whole database is written anew,
// which takes as much free space as it holds (kFailed when there is not). With one its free pages
// go a few at a time, each within milliseconds, so that the server's writes find their turn;
// kConflict for a database of a kscpush that did not prepare for that, until it was compacted once
// without a server.
[[nodiscard]] Result<Compaction> compact_store(const std::filesystem::path& directory,
                                               const UpkeepProgress& progress);

struct Backup {
  std::int64_t bytes = 0;
  std::int64_t devices = 0;
  std::int64_t pushes = 0;
};

// The database as it is at one moment, in one new file, mode 0600, checked and on disk when this
// returns. kConflict when TARGET exists. After an error there is no TARGET.
[[nodiscard]] Result<Backup> back_up_store(const std::filesystem::path& directory,
                                           const std::filesystem::path& target, WallTime now,
                                           const UpkeepProgress& progress);

}  // namespace kscpush::server
