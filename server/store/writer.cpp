#include "server/store/writer.hpp"

#include <algorithm>
#include <future>
#include <memory>

namespace kscpush::server {

Writer::Writer(Database database, Options options)
    : options_(std::move(options)), database_(std::move(database)) {
  database_.keep_checkpoints();
  thread_ = std::thread([this] { loop(); });
  ::pthread_setname_np(thread_.native_handle(), "store");
}

Writer::~Writer() {
  stop();
}

void Writer::stop() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::size_t Writer::queued() const {
  const std::scoped_lock lock(mutex_);
  return queue_.size();
}

void Writer::post(Change change, Done done, std::size_t bytes, Pace pace, Undo undo) {
  {
    std::unique_lock lock(mutex_);
    if (queue_.size() < options_.queued && bytes <= options_.queued_bytes - queued_bytes_) {
      queue_.push_back({std::move(change), std::move(done), bytes, pace, undo});
      ++undone_;
      queued_bytes_ += bytes;
      const bool first = queue_.size() == 1;
      if (first) patient_until_ = std::chrono::steady_clock::now() + options_.patience;
      const bool first_in_haste = pace == Pace::kHaste && ++in_haste_ == 1;
      lock.unlock();
      if (first || first_in_haste) wake_.notify_one();
      return;
    }
  }
  if (done != nullptr) done(fail(queue_full()));
}

Error Writer::queue_full() {
  return {ErrorCode::kOverloaded, "as many changes as are allowed wait to be stored already",
          "try again in a moment; if it stays so, the disk is too slow"};
}

Status Writer::wait(Change change) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    return fail(ErrorCode::kFailed, "a callback of the store waited for the store");
  }
  const auto result = std::make_shared<std::promise<Status>>();
  auto future = result->get_future();
  post(std::move(change), [result](Status status) { result->set_value(std::move(status)); });
  return future.get();
}

void Writer::drain() {
  for (bool more = true; more;) {
    std::promise<bool> looked;
    post([](Database&) -> Status { return {}; },
         [&](const Status&) { looked.set_value(undone_ > 1); });  // but for this
    more = looked.get_future().get();
  }
}

void Writer::take_jobs(std::vector<Job>& group, bool& closing) {
  std::unique_lock lock(mutex_);
  const auto most = more_extras_ ? std::chrono::milliseconds(0) : options_.idle;
  wake_.wait_for(lock, most, [this] { return stop_ || !queue_.empty(); });
  if (!queue_.empty()) {
    wake_.wait_until(lock, patient_until_, [this] { return stop_ || in_haste_ > 0; });
  }
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < options_.group) {
    Job& job = queue_.front();
    bytes += job.bytes;
    if (bytes > options_.group_bytes && !group.empty()) break;
    queued_bytes_ -= job.bytes;
    if (job.pace == Pace::kHaste) --in_haste_;
    group.push_back(std::move(job));
    queue_.pop_front();
  }
  closing = stop_ && group.empty();
}

void Writer::loop() {
  std::vector<Job> group;
  for (bool closing = false; !closing;) {
    take_jobs(group, closing);
    run_group(group);
    undone_ -= group.size();
    group.clear();
    if (is_extra_due()) more_extras_ = run_extra(false);
    tend_memory();
  }
  // One that fails ends it: nobody is left to tell, and it would come again.
  while (run_extra(true)) {
  }
}

bool Writer::is_extra_due() const {
  return queued() == 0 || std::chrono::steady_clock::now() - extra_run_ >= options_.extra_pause;
}

// Not in a group: whoever is in it would wait for it.
bool Writer::run_extra(bool closing) {
  if (options_.extra == nullptr) return false;
  extra_run_ = std::chrono::steady_clock::now();
  std::vector<Job> group{options_.extra(closing)};
  if (group.front().change == nullptr) return false;
  run_group(group);
  return group.front().status.has_value();
}

void Writer::fail_all(std::vector<Job>& group, const Error& error) {
  for (Job& job : group) {
    if (job.status) job.status = fail(error);
  }
}

Status Writer::run_change(const Job& job) {
  if (job.undo == Undo::kSavepoint) return database_.in_savepoint(job.change);
  auto status = job.change(database_);
  if (status && !database_.in_transaction()) {
    return fail(ErrorCode::kFailed, "the database gave up the transaction");
  }
  return status;
}

void Writer::run_group(std::vector<Job>& group) {
  if (group.empty()) return;
  const bool committed = run_transaction(group);
  if (options_.after != nullptr) options_.after(committed);
  for (Job& job : group) {
    if (job.done != nullptr) job.done(job.status);
  }
  if (options_.told != nullptr) options_.told();
  tend_log();
  keeps_pages_ = true;
  last_run_ = std::chrono::steady_clock::now();
}

void Writer::tend_memory() {
  if (!keeps_pages_ || std::chrono::steady_clock::now() - last_run_ < options_.quiet) return;
  database_.forget_pages();
  if (options_.rest != nullptr) options_.rest();
  keeps_pages_ = false;
}

// Not in the commit, as SQLite would: whoever is in the group would wait for it.
void Writer::tend_log() {
  const int pages = database_.log_pages();
  if (pages < options_.log_pages) return;
  if (pages < 2 * options_.log_pages && queued() > 0) return;
  database_.checkpoint();
}

bool Writer::run_transaction(std::vector<Job>& group) {
  if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) {
    fail_all(group, begun.error());
    return false;
  }
  for (Job& job : group) {
    job.status = run_change(job);
    // A full disk and the like make SQLite give up the transaction, and with it those before.
    if (!database_.in_transaction()) {
      fail_all(group, job.status.error());
      return false;
    }
  }
  if (auto committed = database_.run("COMMIT"); !committed) {
    if (database_.in_transaction()) static_cast<void>(database_.run("ROLLBACK"));
    fail_all(group, committed.error());
    return false;
  }
  return true;
}

}  // namespace kscpush::server
