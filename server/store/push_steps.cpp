// The steps of pushes. However many there are of one push, its row is read and written once.
#include <algorithm>
#include <array>
#include <numeric>

#include "server/store/pushes.hpp"
#include "server/store/resync.hpp"

namespace kscpush::server::pushes {
namespace {

// The states that a step can lead to. Those before are the store's own.
constexpr auto kFirst = static_cast<std::size_t>(PushState::kSent);
static_assert(kFirst == 2);
constexpr std::size_t kTimes = kPushStates - kFirst;

std::size_t place(PushState state) {
  return static_cast<std::size_t>(state) - kFirst;
}

// A push's row, and what its steps make of it.
class Fold {
 public:
  // Nothing: there is no such push.
  static Result<std::optional<Fold>> read(Database& database, std::int64_t seq);
  void take(const PushStep& step, const StoreLimits& limits, StoreChanges& changes);
  [[nodiscard]] Status write(Database& database, StoreChanges& changes) const;

 private:
  [[nodiscard]] Status write_row(Database& database) const;
  void move(PushState to, WallTime at, const StoreLimits& limits, StoreChanges& changes);

  std::int64_t seq_ = 0;
  PushState state_{};
  std::int64_t rollout_ = 0;
  WallTime expires_{};
  WallTime dropped_{};  // when it leaves the history; of one that has ended
  int attempts_ = 0;
  std::int64_t known_ = 0;                            // a bit for each time that the row has
  std::array<std::optional<WallTime>, kTimes> at_{};  // to be written
  std::string reason_;
  std::string result_;
  bool moved_ = false;   // to another state
  bool levels_ = false;  // as the row says
  bool lost_ = false;    // expired without an acknowledgement
};

Result<std::optional<Fold>> Fold::read(Database& database, std::int64_t seq) {
  auto query = database.query(
      "SELECT state, rollout, expires, attempts, (sent_at NOTNULL) | ((acked_at NOTNULL) << 1)"
      " | ((started_at NOTNULL) << 2), levels FROM pushes WHERE seq = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(seq).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  Fold fold;
  fold.seq_ = seq;
  fold.state_ = PushState(query->integer(0));
  fold.rollout_ = query->integer(1);
  fold.expires_ = query->time(2);
  fold.attempts_ = static_cast<int>(query->integer(3));
  fold.known_ = query->integer(4);
  fold.levels_ = query->integer(5) != 0;
  return fold;
}

void Fold::move(PushState to, WallTime at, const StoreLimits& limits, StoreChanges& changes) {
  changes.pushes.push_back({seq_, to, at, state_, rollout_});
  lost_ = to == PushState::kExpired && state_ < PushState::kAcked;
  state_ = to;
  at_[place(to)] = at;
  moved_ = true;
  dropped_ = at + std::chrono::milliseconds(limits.keep_history);
}

void Fold::take(const PushStep& step, const StoreLimits& limits, StoreChanges& changes) {
  if (step.sent) {
    take({step.seq, PushState::kSent, *step.sent, step.attempts}, limits, changes);
  }
  if (const WallTime end = end_of_time(state_, expires_); !is_final(state_) && end <= step.at) {
    reason_ = why_expired(state_);
    result_.clear();
    move(PushState::kExpired, end, limits, changes);
  }
  const bool sent = step.state == PushState::kSent;
  if (may_follow(state_, step.state)) {
    move(step.state, step.at, limits, changes);
    attempts_ = std::max(attempts_, step.attempts);
    reason_ = step.reason;
    result_ = step.result;
    return;
  }
  if (is_final(step.state) || step.state < PushState::kSent) return;
  // Of several sendings the last counts: the pause before the next is from it.
  const bool again = sent && state_ == PushState::kSent;
  auto& at = at_[place(step.state)];
  const bool known = at || (known_ >> place(step.state) & 1) != 0;
  if (again || !known) at = step.at;
  if (sent && !is_final(state_)) attempts_ = std::max(attempts_, step.attempts);
}

Status Fold::write(Database& database, StoreChanges& changes) const {
  if (auto done = write_row(database); !done || !moved_) return done;
  const auto at = [this](PushState state) { return *at_[place(state)]; };
  if (lost_) return resync::expired(database, seq_, at(PushState::kExpired), changes);
  const bool is_answer = state_ >= PushState::kAcked && state_ <= PushState::kCompleted;
  if (!levels_ || !is_answer) return {};
  return resync::answered(database, seq_, state_ == PushState::kCompleted, at(state_), changes);
}

// ALSO: further columns that are set.
std::string move_sql(std::string_view also) {
  std::string sql =
      fmt::format("UPDATE pushes SET state = ?2, attempts = ?4, reason = ?5, result = ?6{}", also);
  for (std::size_t i = 0; i < kTimes; ++i) {
    sql += fmt::format(", {0}_at = ifnull(?{1}, {0}_at)", to_string(PushState(kFirst + i)), 7 + i);
  }
  return sql + " WHERE seq = ?1";
}

// What stays in its state keeps its place in every index; what has not ended that among the due.
Status Fold::write_row(Database& database) const {
  if (!moved_) {
    return database.run(
        "UPDATE pushes SET attempts = ?2, sent_at = ifnull(?3, sent_at),"
        " acked_at = ifnull(?4, acked_at), started_at = ifnull(?5, started_at) WHERE seq = ?1",
        seq_, attempts_, at_[0], at_[1], at_[2]);
  }
  static const std::string kGoOn = move_sql("");
  static const std::string kEnd = move_sql(", due = ?3");
  return std::apply(
      [&](const auto&... at) {
        return database.run(is_final(state_) ? kEnd : kGoOn, seq_, static_cast<int>(state_),
                            dropped_, attempts_, reason_, result_, at...);
      },
      at_);
}

}  // namespace

Status apply(Database& database, const std::vector<PushStep>& steps, const StoreLimits& limits,
             StoreChanges& changes, std::vector<Status>& results) {
  results.assign(steps.size(), {});
  std::vector<std::size_t> order(steps.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return steps[i].seq; });
  for (auto at = order.begin(); at != order.end();) {
    const std::int64_t seq = steps[*at].seq;
    auto push = Fold::read(database, seq);
    if (!push) return fail(push.error());
    for (; at != order.end() && steps[*at].seq == seq; ++at) {
      if (*push) {
        (*push)->take(steps[*at], limits, changes);
      } else {
        results[*at] = fail(ErrorCode::kNotFound, "no push with number {} any more", seq);
      }
    }
    if (!*push) continue;
    if (auto written = (*push)->write(database, changes); !written) return written;
  }
  return {};
}

}  // namespace kscpush::server::pushes
