#include <array>

#include "server/store/schema.hpp"
#include "server/store/upkeep.hpp"

namespace kscpush::server {
namespace {

// Rows that must not be: the statement names them. ?1 is the present time, which some use.
struct Invariant {
  std::string_view what;  // {} is what the row is called
  std::string_view sql;
};

constexpr std::array kInvariants{
    Invariant{"push {}: its state or its number of attempts is none",
              "SELECT id FROM pushes WHERE state NOT BETWEEN 0 AND 11 OR attempts < 0"},
    Invariant{"push {}: its identifier is none", "SELECT id FROM pushes WHERE length(id) <> 26"},
    Invariant{
        "push {}: it has reached a state at no time",
        "SELECT id FROM pushes WHERE CASE state WHEN 0 THEN accepted_at WHEN 1 THEN stored_at"
        " WHEN 2 THEN sent_at WHEN 3 THEN acked_at WHEN 4 THEN started_at WHEN 5 THEN completed_at"
        " WHEN 6 THEN expired_at WHEN 7 THEN superseded_at WHEN 8 THEN cancelled_at"
        " WHEN 9 THEN rejected_at WHEN 10 THEN undeliverable_at ELSE failed_at END IS NULL"},
    Invariant{"push {}: it would be dropped or kept at the wrong time",
              "SELECT id FROM pushes WHERE (state < 3 AND due <> expires)"
              " OR (state IN (3, 4) AND due < expires)"},
    Invariant{"push {}: it was sent, but no attempt is counted",
              "SELECT id FROM pushes WHERE state = 2 AND attempts = 0"},
    Invariant{"push {}: its parameters or its result are not JSON",
              "SELECT id FROM pushes WHERE NOT json_valid(params)"
              " OR (result <> '' AND NOT json_valid(result))"},
    Invariant{"device {}: two pushes wait for it of which one should replace the other",
              "SELECT device FROM pushes WHERE state < 2 AND collapse_key <> '' AND expires > ?1"
              " GROUP BY device, collapse_key HAVING count(*) > 1"},
    Invariant{"push number {}: numbers could be given twice",
              "SELECT seq FROM pushes WHERE seq > ifnull("
              "(SELECT seq FROM sqlite_sequence WHERE name = 'pushes'), 0)"},
    Invariant{"device {}: it has missed something for no reason, or at no time",
              "SELECT id FROM devices WHERE resync_reason NOT IN ('', 'expired', 'overflow')"
              " OR (resync_since IS NULL) <> (resync_reason = '')"},
    Invariant{"device {}: its identifier is none",
              "SELECT id FROM devices WHERE length(id) = 0 OR length(id) > 128"},
};

// ROW makes a problem of a row.
template <class Row>
Status collect(Database& database, std::string_view sql, WallTime now, StoreCheck& check,
               const Row& row) {
  auto query = database.query(sql);
  if (!query) return fail(query.error());
  query->bind(now);
  for (int found = 0;; ++found) {
    const auto next = query->next();
    if (!next) return fail(next.error());
    if (!*next) return {};
    if (found == kMostProblems) {
      check.problems.emplace_back("... and more of that kind");
      return {};
    }
    if (std::string problem = row(*query); !problem.empty()) {
      check.problems.push_back(std::move(problem));
    }
  }
}

Status count(Database& database, StoreCheck& check) {
  const auto number = [&](std::string_view sql, std::int64_t& into) -> Status {
    const auto value = database.number(sql);
    if (!value) return fail(value.error());
    into = *value;
    return {};
  };
  auto counted = number("PRAGMA user_version", check.version);
  if (counted) counted = number("SELECT count(*) FROM devices", check.devices);
  if (counted) counted = number("SELECT count(*) FROM pushes", check.pushes);
  if (counted) counted = number("PRAGMA page_count", check.bytes);
  std::int64_t page = 0;
  if (counted) counted = number("PRAGMA page_size", page);
  check.bytes *= page;
  return counted;
}

}  // namespace

Result<StoreCheck> check_database(Database& database, bool quick, WallTime now,
                                  const UpkeepProgress& progress) {
  constexpr std::size_t kSteps = kInvariants.size() + 3;
  std::size_t done = 0;
  const auto step = [&] { progress(done++, kSteps); };
  StoreCheck check;
  step();
  if (auto counted = count(database, check); !counted) return fail(counted.error());
  step();
  const auto whole =
      collect(database, quick ? "PRAGMA quick_check(20)" : "PRAGMA integrity_check(20)", now, check,
              [](const Query& row) { return row.text(0) == "ok" ? std::string() : row.text(0); });
  if (!whole) return fail(whole.error());
  // What is damaged is not worth asking for more.
  if (!check.problems.empty()) return check;
  step();
  const auto references =
      collect(database, "PRAGMA foreign_key_check", now, check, [](const Query& row) {
        return fmt::format("row {} of table {} belongs to a row of {} that there is not",
                           row.integer(1), row.text(0), row.text(2));
      });
  if (!references) return fail(references.error());
  for (const auto& [what, sql] : kInvariants) {
    step();
    const auto held = collect(database, sql, now, check, [&what = what](const Query& row) {
      return fmt::format(fmt::runtime(what), row.text(0));
    });
    if (!held) return fail(held.error());
  }
  return check;
}

Result<StoreCheck> check_store(const std::filesystem::path& directory, bool quick, WallTime now,
                               const UpkeepProgress& progress) {
  auto database = open_to_read(directory);
  if (!database) return fail(database.error());
  // One moment for all of it.
  if (auto begun = database->run("BEGIN"); !begun) return fail(begun.error());
  return check_database(*database, quick, now, progress);
}

}  // namespace kscpush::server
