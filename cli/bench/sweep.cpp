#include "cli/bench/sweep.hpp"

#include <algorithm>

namespace kscpush::cli::bench {
namespace {

constexpr Duration kPatience = std::chrono::seconds(15);
constexpr std::size_t kMaxReasons = 16;

}  // namespace

Sweep::Sweep(Loop& loop, Fleet& fleet, Pusher& pusher, double rate, std::size_t batch)
    : loop_(loop),
      fleet_(fleet),
      pusher_(pusher),
      rate_(rate),
      batch_(batch),
      pushed_(fleet.size()) {
  fleet_.on_push([this](std::size_t n) {
    if (pushed_[n] == MonoTime()) return;  // one of an earlier run
    last_arrival_ = loop_.turn();
    result_.took.push_back(
        std::chrono::duration<float, std::milli>(loop_.turn() - pushed_[n]).count());
    pushed_[n] = MonoTime();
    ++over_;
  });
  pusher_.on_refused = [this](std::size_t n, const std::string& why) {
    auto& refused = result_.refused;
    ++refused[refused.contains(why) || refused.size() < kMaxReasons ? why : "other"];
    if (pushed_[n] == MonoTime()) return;
    pushed_[n] = MonoTime();
    ++over_;
  };
  pusher_.on_room = [this] { push_some(); };
}

Sweep::~Sweep() {
  fleet_.on_push([](std::size_t) {});
  pusher_.on_refused = [](std::size_t, const std::string&) {};
  pusher_.on_room = [] {};
}

void Sweep::push_some() {
  while (next_ < fleet_.size()) {
    const std::size_t most = std::min({batch_, pusher_.room(), fleet_.size() - next_});
    if (most == 0) return;
    if (rate_ > 0) {
      // A batch waits until all of it is due.
      const double seconds = std::chrono::duration<double>(loop_.now() - begun_).count();
      const double due = seconds * rate_ - static_cast<double>(result_.sent);
      if (due < static_cast<double>(std::min(batch_, fleet_.size() - next_))) return;
    }
    push(most);
  }
}

void Sweep::push(std::size_t most) {
  const MonoTime now = loop_.now();
  std::vector<Addressee> batch;
  while (batch.size() < most && next_ < fleet_.size()) {
    const std::size_t n = next_++;
    if (!fleet_.is_ready(n)) {
      ++over_;
      continue;
    }
    pushed_[n] = now;
    batch.push_back({n, fleet_.id(n)});
  }
  result_.sent += batch.size();
  if (!batch.empty()) pusher_.push(std::move(batch));
}

SweepResult Sweep::run(const std::function<void(std::size_t)>& arrived) {
  begun_ = last_arrival_ = loop_.now();
  next_ = over_ = 0;
  result_ = {};
  result_.took.reserve(fleet_.size());
  std::ranges::fill(pushed_, MonoTime());
  MonoTime told = begun_;
  loop_.run(
      [&] {
        const MonoTime now = loop_.now();
        push_some();
        if (now - told > std::chrono::milliseconds(200)) {
          told = now;
          arrived(result_.took.size());
        }
        return over_ == fleet_.size() || now - last_arrival_ > kPatience;
      },
      MonoTime::max());
  return std::move(result_);
}

}  // namespace kscpush::cli::bench
