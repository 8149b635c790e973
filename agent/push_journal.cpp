#include "agent/push_journal.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "core/file.hpp"
#include "core/json_text.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

constexpr std::string_view kFile = "pushes";
constexpr std::string_view kRunning = "running";

std::string to_line(const json& line) {
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::size_t size_of(const json& result) {
  return to_line(result).size();
}

json begin_line(const JournalEntry& entry) {
  return {{"id", entry.id.str()},
          {"kind", entry.kind},
          {"at", entry.begun.time_since_epoch().count()},
          {"state", kRunning}};
}

json finish_line(const JournalEntry& entry) {
  return {{"id", entry.id.str()}, {"state", to_string(entry.state)}, {"result", entry.result}};
}

json told_line(const JournalEntry& entry) {
  return {{"id", entry.id.str()}, {"told", true}};
}

}  // namespace

Result<PushJournal> PushJournal::open(const StateDirectory& directory) {
  PushJournal journal(directory);
  const auto text = directory.read(kFile, 2 * kMostFileBytes);
  if (!text) return fail(text.error());
  if (text->has_value()) journal.replay(**text);
  journal.forget_old();
  if (auto written = journal.rewrite(); !written) {
    if (written.error().code == ErrorCode::kDenied) return fail(written.error());
    // A full disk: nothing new runs, but what is known is told, and the device can be reached.
    journal.problem_ = written.error().message;
    journal.file_bytes_ = kMostFileBytes;  // the next line begins a new file, or is refused
  }
  return journal;
}

void PushJournal::replay(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return;  // cut by a crash
    const json line = json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
    if (line.is_object()) replay_line(line);
    text.remove_prefix(end + 1);
  }
}

void PushJournal::replay_line(const json& line) {
  const auto id = Ulid::parse(text_of(line, "id"));
  if (!id) return;
  const std::string state = text_of(line, "state");
  JournalEntry* const entry = at(*id);
  if (state == kRunning && entry == nullptr) {
    const auto begun = line.find("at");
    const bool dated = begun != line.end() && begun->is_number_integer();
    entries_.push_back({*id, text_of(line, "kind"),
                        WallTime(std::chrono::milliseconds(dated ? begun->get<std::int64_t>()
                                                                 : std::int64_t{0}))});
  } else if (entry != nullptr && line.contains("told")) {
    entry->told = true;
  } else if (const auto final = push_state_from_name(state);
             entry != nullptr && !is_final(entry->state) && final && is_final(*final)) {
    entry->state = *final;
    entry->result = line.value("result", json());
    bytes_ += size_of(entry->result);
  }
}

// The newest are asked for most.
JournalEntry* PushJournal::at(const Ulid& id) {
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(),
                                  [&](const JournalEntry& entry) { return entry.id == id; });
  return found == entries_.rend() ? nullptr : &*found;
}

const JournalEntry* PushJournal::find(const Ulid& id) const {
  return const_cast<PushJournal*>(this)->at(id);
}

Status PushJournal::begin(const Ulid& id, std::string kind, WallTime now) {
  const auto open = std::ranges::count(entries_, false, &JournalEntry::told);
  if (open >= static_cast<std::ptrdiff_t>(kMostPushes)) {
    return fail({ErrorCode::kOverloaded,
                 fmt::format("{} pushes are not answered yet on this device", open),
                 "wait for some of them to end"});
  }
  JournalEntry entry{id, std::move(kind), now};
  if (auto written = append(begin_line(entry), /*sync=*/true); !written) return written;
  entries_.push_back(std::move(entry));
  forget_old();
  return {};
}

Status PushJournal::finish(const Ulid& id, PushState state, json result) {
  JournalEntry* const entry = at(id);
  if (entry == nullptr || is_final(entry->state)) return {};
  entry->state = state;
  entry->result = std::move(result);
  bytes_ += size_of(entry->result);
  return append(finish_line(*entry), /*sync=*/true);
}

Status PushJournal::told(const Ulid& id) {
  JournalEntry* const entry = at(id);
  if (entry == nullptr || entry->told) return {};
  entry->told = true;
  // When it is lost the server is told once more.
  auto written = append(told_line(*entry), /*sync=*/false);
  forget_old();  // the entry itself, perhaps
  return written;
}

void PushJournal::forget_old() {
  auto entry = entries_.begin();
  while (entry != entries_.end() && (entries_.size() > kMostPushes || bytes_ > kMostBytes)) {
    if (!entry->told || std::next(entry) == entries_.end()) {
      ++entry;
      continue;
    }
    bytes_ -= std::min(bytes_, size_of(entry->result));
    entry = entries_.erase(entry);
  }
}

Status PushJournal::append(const json& line, bool sync) {
  const std::string text = to_line(line);
  if (file_bytes_ + text.size() > kMostFileBytes) {
    if (auto written = rewrite(); !written) return written;
  }
  if (const int error = DiskCalls::system().write(file_.get(), text)) {
    file_bytes_ = kMostFileBytes;  // half a line may be there: the next one begins a new file
    return fail(file_error("write", *directory_ / kFile, error));
  }
  file_bytes_ += text.size();
  if (sync && ::fdatasync(file_.get()) != 0) {
    return fail(file_error("sync", *directory_ / kFile, errno));
  }
  return {};
}

Status PushJournal::rewrite() {
  std::string text;
  for (const JournalEntry& entry : entries_) {
    text += to_line(begin_line(entry));
    if (is_final(entry.state)) text += to_line(finish_line(entry));
    if (entry.told) text += to_line(told_line(entry));
  }
  if (auto written = directory_->write(kFile, text); !written) return written;
  const auto path = *directory_ / kFile;
  file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file_) return fail(file_error("open", path, errno));
  file_bytes_ = text.size();
  return {};
}

}  // namespace kscpush::agent
