#include "server/store/revisions.hpp"

namespace kscpush::server::revisions {
namespace {

Result<std::optional<SiteRevision>> read_one(Query& query) {
  const auto row = query.next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  return SiteRevision{query.integer(0), query.time(1), query.text(2), query.text(3),
                      query.text(4),    query.text(5), query.text(6)};
}

}  // namespace

Result<std::int64_t> add(Database& database, const SiteRevision& revision) {
  auto done = database.run(
      "INSERT INTO site_revisions(applied, how, comment, hash, files, plan)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
      revision.applied, revision.how, revision.comment, revision.hash, revision.files,
      revision.plan);
  if (!done) return fail(done.error());
  return database.last_insert();
}

Result<std::optional<SiteRevision>> find(Database& database, std::int64_t number) {
  auto query = database.query(
      "SELECT number, applied, how, comment, hash, files, plan FROM site_revisions"
      " WHERE number = ?1");
  if (!query) return fail(query.error());
  query->bind(number);
  return read_one(*query);
}

Result<std::optional<SiteRevision>> newest(Database& database) {
  auto query = database.query(
      "SELECT number, applied, how, comment, hash, files, plan FROM site_revisions"
      " ORDER BY number DESC LIMIT 1");
  if (!query) return fail(query.error());
  return read_one(*query);
}

Result<std::vector<SiteRevision>> list(Database& database, std::int64_t before, std::size_t limit) {
  auto query = database.query(
      "SELECT number, applied, how, comment, hash, '', '' FROM site_revisions"
      " WHERE ?1 = 0 OR number < ?1 ORDER BY number DESC LIMIT ?2");
  if (!query) return fail(query.error());
  query->bind(before, limit);
  std::vector<SiteRevision> all;
  for (;;) {
    auto revision = read_one(*query);
    if (!revision) return fail(revision.error());
    if (!*revision) return all;
    all.push_back(std::move(**revision));
  }
}

Result<std::string> file_hash(Database& database) {
  auto query = database.query("SELECT hash FROM site_file");
  if (!query) return fail(query.error());
  const auto row = query->next();
  if (!row) return fail(row.error());
  return *row ? query->text(0) : std::string();
}

Status set_file_hash(Database& database, const std::string& hash) {
  return database.run(
      "INSERT INTO site_file(only, hash) VALUES(1, ?1) ON CONFLICT(only) DO UPDATE SET hash = ?1",
      hash);
}

}  // namespace kscpush::server::revisions
