// Which pushes the device has had and how it answered them, so that each runs once: one that comes
// a second time is given the answer of the first, also after a restart of the agent.
//
// A file of JSON lines, one a change, appended to and synced before begin() returns; written anew
// when it has grown. The last pushes are kept; what has not been answered is never forgotten, nor
// what the server has not been told.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "agent/state_directory.hpp"
#include "core/clock.hpp"
#include "core/descriptor.hpp"
#include "core/push.hpp"

namespace kscpush::agent {

struct JournalEntry {
  Ulid id;
  std::string kind;
  WallTime begun{};
  PushState state = PushState::kAcked;  // kAcked: not answered; then kCompleted or kFailed
  nlohmann::json result{};
  bool told = false;  // the server has acknowledged the answer
};

class PushJournal {
 public:
  static constexpr std::size_t kMostPushes = 256;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20U;  // of results
  static constexpr std::size_t kMostFileBytes = std::size_t{32} << 20U;

  // Reads what there is. A line that is none, as a crash leaves it at the end, is skipped. A disk
  // that takes nothing is no error: begin() is refused until it does.
  [[nodiscard]] static Result<PushJournal> open(const StateDirectory& directory);
  // Why it could not be written when it was opened; empty: it could.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  // nullptr: a push of this id is not known (any more).
  [[nodiscard]] const JournalEntry* find(const Ulid& id) const;
  // It is on disk that the push runs. kOverloaded: of too many the
  // server has not taken the answer.
  [[nodiscard]] Status begin(const Ulid& id, std::string kind, WallTime now);
  // The last answer. A disk that does not take it costs only that it may be forgotten.
  [[nodiscard]] Status finish(const Ulid& id, PushState state, nlohmann::json result);
  [[nodiscard]] Status told(const Ulid& id);

  // Oldest first.
  [[nodiscard]] const std::deque<JournalEntry>& entries() const { return entries_; }

 private:
  explicit PushJournal(const StateDirectory& directory) : directory_(&directory) {}
  [[nodiscard]] JournalEntry* at(const Ulid& id);
  void replay(std::string_view text);
  void replay_line(const nlohmann::json& line);
  void forget_old();
  [[nodiscard]] Status append(const nlohmann::json& line, bool sync);
  [[nodiscard]] Status rewrite();

  const StateDirectory* directory_;
  std::string problem_;
  Descriptor file_;
  std::size_t file_bytes_ = 0;
  std::size_t bytes_ = 0;  // of results
  std::deque<JournalEntry> entries_;
};

}  // namespace kscpush::agent
