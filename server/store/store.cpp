#include "server/store/store.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <mutex>
#include <thread>

#include <sys/stat.h>

#include "core/file.hpp"
#include "server/store/database.hpp"
#include "server/store/devices.hpp"
#include "server/store/pushes.hpp"
#include "server/store/resync.hpp"
#include "server/store/revisions.hpp"
#include "server/store/rollouts.hpp"
#include "server/store/schema.hpp"
#include "server/store/store_impl.hpp"
#include "server/store/usage.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;

constexpr Duration kLastSeenInterval = std::chrono::seconds(5);
constexpr std::size_t kLastSeenRound = 5000;
constexpr std::size_t kLastSeenSlice = 250;
constexpr Duration kUsageAge = std::chrono::seconds(30);

Status make_directory(const fs::path& directory) {
  std::error_code error;
  if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), error);
  if (error) return fail(file_error("create", directory.parent_path(), error.value()));
  if (::mkdir(directory.c_str(), 0700) == 0 || fs::is_directory(directory, error)) return {};
  return fail(file_error("create the state directory", directory, EEXIST));
}

// Where SQLite cannot have a log it says so by staying in another mode.
Status use_log(Database& database) {
  auto query = database.query("PRAGMA journal_mode = WAL");
  if (!query) return fail(query.error());
  const auto row = query->next();
  if (!row) return fail(row.error());
  if (*row && query->text(0) == "wal") return {};
  return fail({ErrorCode::kFailed,
               fmt::format("the database {} cannot have a write-ahead log on this file system",
                           database.path().string()),
               "put the state directory on a local disk"});
}

// WAL with synchronous=FULL: a commit is one write to the end of the log and one sync of it, and it
// survives a power failure. The writer works the log off (Writer::Options::log_pages); it is cut
// back after a burst.
Result<Database> open_database(const fs::path& path) {
  auto database = Database::open(path, Database::Access::kReadWrite);
  if (!database) return database;
  auto set = database->script(
      "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -16384; PRAGMA secure_delete = OFF; PRAGMA synchronous = FULL;");
  if (!set) return fail(set.error());
  if (auto migrated = migrate(*database); !migrated) return fail(migrated.error());
  if (auto wal = use_log(*database); !wal) return fail(wal.error());
  set = database->script("PRAGMA journal_size_limit = 67108864;");
  if (!set) return fail(set.error());
  return database;
}

std::size_t reader_count() {
  return std::clamp(std::thread::hardware_concurrency(), 2U, 16U);
}

}  // namespace

// In rounds, each in the order of the rows, as neighbours share pages; and in slices, as a push
// waits for one.
Writer::Job Store::Impl::write_last_seen(bool closing) {
  auto& round = last_seen_round;
  if (round.empty()) {
    // A whole round is not kept waiting, so that a storm of devices does not pile up in memory.
    const bool due = closing || last_seen.size() >= kLastSeenRound ||
                     clock.now() - last_seen_written >= kLastSeenInterval;
    if (!due) return {};
    round = last_seen.some(kLastSeenRound);
    if (round.size() < kLastSeenRound) last_seen_written = clock.now();
    if (round.empty()) return {};
    std::ranges::sort(round, std::greater(), &LastSeen::Entry::id);
  }
  const std::size_t count = closing ? round.size() : std::min(round.size(), kLastSeenSlice);
  const auto slice = round.end() - static_cast<std::ptrdiff_t>(count);
  const auto entries = std::make_shared<const std::vector<LastSeen::Entry>>(
      std::make_move_iterator(slice), std::make_move_iterator(round.end()));
  round.erase(slice, round.end());
  if (round.empty()) round.shrink_to_fit();
  return {[entries](Database& database) -> Status {
            for (const LastSeen::Entry& entry : *entries) {
              auto done = devices::set_last_seen(database, entry);
              if (!done) return done;
            }
            return {};
          },
          [this, entries](const Status& status) {
            if (status) last_seen.written(*entries);
          }};
}

Result<StoreUsage> Store::Impl::usage() {
  const std::scoped_lock held(usage_mutex_);
  if (usage_ && clock.now() - usage_measured_ < kUsageAge) return *usage_;
  auto measured = readers.use([](Database& database) { return measure_usage(database); });
  if (!measured) return measured;
  usage_ = *measured;
  usage_measured_ = clock.now();
  return measured;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

void Store::watch(Watch watch, std::function<void()> told) {
  impl_->watch = std::move(watch);
  impl_->told = std::move(told);
}

Result<std::unique_ptr<Store>> Store::open(const fs::path& directory, const Clock& clock,
                                           StoreLimits limits) {
  if (auto created = make_directory(directory); !created) return fail(created.error());
  auto lock = FileLock::acquire(directory / "lock",
                                fmt::format("the state directory {}", directory.string()),
                                std::chrono::milliseconds(0), FileLock::Afterwards::kKeepFile);
  if (!lock) return fail(lock.error());
  const fs::path path = database_in(directory);
  // A store that is closed with all that it was given leaves no log.
  std::error_code error;
  const bool was_killed = fs::exists(path.string() + "-wal", error);
  auto database = open_database(path);
  if (!database) return fail(database.error());
  if (was_killed) {
    if (auto marked = pushes::mark_perhaps_sent(*database); !marked) return fail(marked.error());
  }
  if (auto dropped = rollouts::drop_unopened(*database); !dropped) return fail(dropped.error());
  const auto sent = pushes::perhaps_sent(*database);
  if (!sent) return fail(sent.error());
  auto readers = Readers::open(path, reader_count());
  if (!readers) return fail(readers.error());
  return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(
      std::move(*lock), clock, limits, std::move(*database), std::move(*readers), *sent)));
}

Status Store::add_device(NewDevice device) {
  return impl_->writer.wait(
      [&](Database& database) { return devices::add(database, device, impl_->clock.wall()); });
}

void Store::add_device(NewDevice device, Done done) {
  impl_->writer.post(
      [device = std::move(device), &clock = impl_->clock](Database& database) {
        return devices::add(database, device, clock.wall());
      },
      std::move(done));
}

namespace {

Status add_all(Database& database, const std::vector<NewDevice>& devices, WallTime now) {
  for (const NewDevice& device : devices) {
    if (auto added = devices::add(database, device, now); !added) return added;
  }
  return {};
}

}  // namespace

Status Store::add_devices(std::vector<NewDevice> devices) {
  return impl_->writer.wait(
      [&](Database& database) { return add_all(database, devices, impl_->clock.wall()); });
}

void Store::add_devices(std::vector<NewDevice> devices, Done done) {
  const std::size_t bytes = devices.size() * sizeof(NewDevice) * 2;
  impl_->writer.post([devices = std::move(devices), &clock = impl_->clock](
                         Database& database) { return add_all(database, devices, clock.wall()); },
                     std::move(done), bytes);
}

Result<DeviceRecord> Store::change_device(const DeviceId& id, DeviceChange change) {
  std::optional<DeviceRecord> changed;
  const auto done = impl_->writer.wait([&](Database& database) -> Status {
    auto device = devices::change(database, id, change);
    if (!device) return fail(device.error());
    changed = std::move(device->after);
    return {};
  });
  if (!done) return fail(done.error());
  impl_->last_seen.update(*changed);
  return std::move(*changed);
}

void Store::change_device(const DeviceId& id, DeviceChange change,
                          std::function<void(Result<ChangedDevice>)> done) {
  const auto changed = std::make_shared<std::optional<ChangedDevice>>();
  impl_->writer.post(
      [id, change = std::move(change), changed](Database& database) -> Status {
        auto device = devices::change(database, id, change);
        if (!device) return fail(device.error());
        *changed = std::move(*device);
        return {};
      },
      [this, changed, done = std::move(done)](const Status& status) {
        if (!status) {
          done(fail(status.error()));
          return;
        }
        impl_->last_seen.update((*changed)->before);
        impl_->last_seen.update((*changed)->after);
        done(std::move(**changed));
      });
}

Status Store::remove_device(const DeviceId& id) {
  return impl_->writer.wait([&](Database& database) { return devices::remove(database, id); });
}

void Store::remove_device(const DeviceId& id, Done done) {
  impl_->writer.post([id](Database& database) { return devices::remove(database, id); },
                     std::move(done));
}

Result<std::optional<Arrival>> Store::arriving(const DeviceId& id) const {
  auto arrival =
      impl_->readers.use([&](Database& database) { return devices::arriving(database, id); });
  if (arrival && *arrival) {
    if (auto address = impl_->last_seen.address(id)) (*arrival)->address = std::move(*address);
  }
  return arrival;
}

Result<std::optional<DeviceRecord>> Store::find_device(const DeviceId& id) const {
  auto device = impl_->readers.use([&](Database& database) { return devices::find(database, id); });
  if (device && *device) impl_->last_seen.update(**device);
  return device;
}

Result<DevicePage> Store::list_devices(const DeviceFilter& filter, std::string_view after,
                                       std::size_t limit) const {
  auto page = impl_->readers.use(
      [&](Database& database) { return devices::list(database, filter, after, limit); });
  if (!page) return page;
  for (DeviceRecord& device : page->devices) impl_->last_seen.update(device);
  return page;
}

Result<std::size_t> Store::count_devices() const {
  return impl_->readers.use([](Database& database) { return devices::count(database); });
}

Result<DeviceCounts> Store::count_by_group() const {
  return impl_->readers.use([](Database& database) { return devices::count_by_group(database); });
}

void Store::touch_device(const DeviceId& id, WallTime seen, std::string_view address) {
  impl_->last_seen.note(id, seen, address);
}

void Store::note_certificate(const DeviceId& id, WallTime seen, WallTime ends) {
  impl_->last_seen.note_certificate(id, seen, ends);
}

void Store::note_disconnect(const DeviceId& id, const Disconnect& end) {
  impl_->last_seen.note_end(id, end);
}

Result<std::vector<Disconnect>> Store::disconnects(const DeviceId& id) const {
  // Those ahead of the disk first: what is written in between comes twice rather than never.
  auto ends = impl_->last_seen.ends(id);
  const auto written =
      impl_->readers.use([&](Database& database) { return devices::disconnects(database, id); });
  if (!written) return fail(written.error());
  for (const Disconnect& end : *written) {
    if (ends.size() == kKeptDisconnects) break;
    if (std::ranges::find(ends, end) == ends.end()) ends.push_back(end);
  }
  return ends;
}

void Store::report(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now, Done done) {
  impl_->writer.post(
      [id, report = std::move(report), in_sync, now, impl = impl_.get()](Database& database) {
        return impl->changing([&](StoreChanges& changes) -> Status {
          auto noted = devices::report(database, id, report, now);
          if (!noted || !in_sync) return noted;
          return resync::reported(database, id, now, changes);
        });
      },
      std::move(done), 0, Writer::Pace::kPatient);
}

Result<std::int64_t> Store::add_revision(SiteRevision revision,
                                         const std::optional<std::string>& file_hash) {
  std::int64_t number = 0;
  const auto done = impl_->writer.wait([&](Database& database) -> Status {
    const auto added = revisions::add(database, revision);
    if (!added) return fail(added.error());
    number = *added;
    return file_hash ? revisions::set_file_hash(database, *file_hash) : Status();
  });
  if (!done) return fail(done.error());
  return number;
}

Result<std::optional<SiteRevision>> Store::find_revision(std::int64_t number) const {
  return impl_->readers.use([&](Database& database) { return revisions::find(database, number); });
}

Result<std::optional<SiteRevision>> Store::newest_revision() const {
  return impl_->readers.use([](Database& database) { return revisions::newest(database); });
}

Result<std::vector<SiteRevision>> Store::list_revisions(std::int64_t before,
                                                        std::size_t limit) const {
  return impl_->readers.use(
      [&](Database& database) { return revisions::list(database, before, limit); });
}

Result<std::string> Store::file_hash() const {
  return impl_->readers.use([](Database& database) { return revisions::file_hash(database); });
}

Status Store::set_file_hash(const std::string& hash) {
  return impl_->writer.wait(
      [&](Database& database) { return revisions::set_file_hash(database, hash); });
}

void Store::drain() {
  impl_->writer.drain();
}

std::size_t Store::queued_changes() const {
  return impl_->writer.queued() + impl_->steps.size();
}

Result<StoreUsage> Store::usage() const {
  return impl_->usage();
}

const StoreLimits& Store::limits() const {
  return impl_->limits;
}

Result<std::vector<std::string>> existing_devices(const Store& store,
                                                  const std::vector<NewDevice>& devices) {
  std::vector<std::string> existing;
  for (const NewDevice& device : devices) {
    const auto found = store.find_device(device.id);
    if (!found) return fail(found.error());
    if (found->has_value()) existing.push_back(device.id.str());
  }
  return existing;
}

}  // namespace kscpush::server
