// The reads of the table of pushes.
#include <limits>

#include "server/store/pushes.hpp"

namespace kscpush::server::pushes {
namespace {

// Pushes that one page looks at: a filter that hardly anything passes must not hold up a thread.
constexpr std::size_t kMostExamined = 20'000;

constexpr std::string_view kSelect =
    "SELECT seq, id, device, kind, params, collapse_key, state, attempts, reason, result, expires,"
    " accepted_at, stored_at, sent_at, acked_at, started_at, completed_at, expired_at,"
    " superseded_at, cancelled_at, rejected_at, undeliverable_at, failed_at, rollout"
    " FROM pushes ";
constexpr int kFirstReached = 11;
constexpr int kRollout = kFirstReached + static_cast<int>(kPushStates);

// A push ends when its time does, and not when expire() comes by.
void show_expired(PushRecord& push, WallTime end) {
  push.reason = why_expired(push.state);
  push.state = PushState::kExpired;
  push.reached[static_cast<std::size_t>(PushState::kExpired)] = end;
}

Result<PushRecord> read(const Query& row, WallTime now) {
  auto id = Ulid::parse(row.text(1));
  if (!id) return fail(within("the database is damaged", id.error()));
  auto device = DeviceId::parse(row.text(2));
  if (!device) return fail(within("the database is damaged", device.error()));
  const std::int64_t state = row.integer(6);
  if (state < 0 || state >= static_cast<std::int64_t>(kPushStates)) {
    return fail(ErrorCode::kFailed, "the database is damaged: a push is in state {}", state);
  }
  PushRecord push{
      row.integer(0), std::move(*id), std::move(*device), row.text(3),
      row.text(4),    row.text(5),    PushState(state),   static_cast<int>(row.integer(7)),
      row.text(8),    row.text(9),    row.time(10),       {}};
  for (std::size_t i = 0; i < kPushStates; ++i) {
    push.reached[i] = row.optional_time(kFirstReached + static_cast<int>(i));
  }
  push.rollout = row.integer(kRollout);
  const WallTime end = end_of_time(push.state, push.expires);
  if (!is_final(push.state) && end <= now) show_expired(push, end);
  return push;
}

Result<std::vector<PushRecord>> read_all(Query& query, WallTime now) {
  std::vector<PushRecord> pushes;
  for (;;) {
    const auto row = query.next();
    if (!row) return fail(row.error());
    if (!*row) return pushes;
    auto push = read(query, now);
    if (!push) return fail(push.error());
    pushes.push_back(std::move(*push));
  }
}

bool passes(const PushRecord& push, const PushFilter& filter) {
  if (filter.rollout != 0 && push.rollout != filter.rollout) return false;
  if (filter.state && push.state != *filter.state) return false;
  return filter.kind.empty() || push.kind == filter.kind;
}

// Newest first, those with seq below ?1, and of one device two ranges of the index, merged.
const std::string& list_of(const PushFilter& filter) {
  static const std::string kAll =
      fmt::format("{}WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2", kSelect);
  static const std::string kOfDevice = fmt::format(
      "SELECT * FROM ({0} WHERE device = ?3 AND (state < 3) = 1 AND seq < ?1"
      " ORDER BY seq DESC LIMIT ?2)"
      " UNION ALL SELECT * FROM ({0} WHERE device = ?3 AND (state < 3) = 0 AND seq < ?1"
      " ORDER BY seq DESC LIMIT ?2) ORDER BY 1 DESC LIMIT ?2",
      kSelect);
  static const std::string kOfRollout =
      fmt::format("{}WHERE rollout = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2", kSelect);
  if (filter.device) return kOfDevice;
  return filter.rollout == 0 ? kAll : kOfRollout;
}

bool is_answered(std::string_view kind) {
  return lane_of(kind) == PushLane::kAnswered;
}

Result<std::optional<PushRecord>> one(Query query, WallTime now) {
  const auto row = query.next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  auto push = read(query, now);
  if (!push) return fail(push.error());
  return std::move(*push);
}

}  // namespace

std::string kinds_in_sql(bool (*chosen)(std::string_view kind)) {
  std::string list;
  for (const PushKindRow& row : kPushKinds) {
    if (!chosen(row.kind)) continue;
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", row.kind);
  }
  return list;
}

Result<std::optional<PushRecord>> find(Database& database, const Ulid& id, WallTime now) {
  static const std::string kSql = std::string(kSelect) + "WHERE id = ?1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(id.str());
  return one(std::move(*query), now);
}

Result<std::optional<PushRecord>> find(Database& database, std::int64_t seq, WallTime now) {
  static const std::string kSql = std::string(kSelect) + "WHERE seq = ?1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(seq);
  return one(std::move(*query), now);
}

Result<std::vector<PushRecord>> pending(Database& database, const DeviceId& device, WallTime now,
                                        std::int64_t after, std::size_t limit,
                                        std::optional<PushLane> lane) {
  static const std::string kSql = fmt::format(
      "{}WHERE device = ?1 AND (state < 3) = 1 AND seq > ?3 AND expires > ?2"
      " AND ifnull(?5 = (kind IN ({})), 1) ORDER BY seq LIMIT ?4",
      kSelect, kinds_in_sql(is_answered));
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  std::optional<std::int64_t> answered;
  if (lane) answered = *lane == PushLane::kAnswered ? 1 : 0;
  query->bind(device.str(), now, after, limit, answered);
  return read_all(*query, now);
}

Result<std::size_t> count_pending(Database& database, const DeviceId& device, WallTime now) {
  auto query = database.query(
      "SELECT count(*) FROM pushes WHERE device = ?1 AND (state < 3) = 1 AND expires > ?2");
  if (!query) return fail(query.error());
  const auto row = query->bind(device.str(), now).next();
  if (!row) return fail(row.error());
  return static_cast<std::size_t>(query->integer(0));
}

Result<PushPage> list(Database& database, const PushFilter& filter, std::int64_t before,
                      std::size_t limit, WallTime now) {
  auto query = database.query(list_of(filter));
  if (!query) return fail(query.error());
  const std::int64_t below = before > 0 ? before : std::numeric_limits<std::int64_t>::max();
  if (filter.device) {
    query->bind(below, kMostExamined, filter.device->str());
  } else if (filter.rollout != 0) {
    query->bind(below, kMostExamined, filter.rollout);
  } else {
    query->bind(below, kMostExamined);
  }
  PushPage page;
  std::int64_t last = 0;
  for (std::size_t examined = 0; examined < kMostExamined; ++examined) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return page;
    if (page.pushes.size() == limit) break;
    last = query->integer(0);
    auto push = read(*query, now);
    if (!push) return fail(push.error());
    if (passes(*push, filter)) page.pushes.push_back(std::move(*push));
  }
  page.next = last;
  return page;
}

}  // namespace kscpush::server::pushes
