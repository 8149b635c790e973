#include "server/net/poller.hpp"

#include <cerrno>
#include <system_error>

namespace kscpush::server {
namespace {

// Batches of one turn of the loop, so that what is posted to it gets its turn too.
constexpr int kBatchesPerTurn = 4;

int make_set() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return set;
}

}  // namespace

Poller::Poller(Loop& loop) : loop_(loop), set_(loop, make_set()) {
  wait();
}

bool Poller::add(int descriptor, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Poller::change(int descriptor, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, descriptor, &event);
}

void Poller::remove(int descriptor, Watched& watched) {
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
  for (int i = next_; i < count_; ++i) {
    auto& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watched) event.data.ptr = nullptr;
  }
}

void Poller::wait() {
  set_.async_wait(asio::posix::descriptor_base::wait_read, [this](const asio::error_code& error) {
    if (!error) dispatch();
  });
}

void Poller::dispatch() {
  for (int round = 0; round < kBatchesPerTurn; ++round) {
    const int got = ::epoll_wait(set_.native_handle(), batch_.data(),
                                 static_cast<int>(batch_.size()), /*timeout=*/0);
    count_ = got;
    for (next_ = 0; next_ < count_;) {
      const epoll_event event = batch_[static_cast<std::size_t>(next_++)];
      if (auto* const watched = static_cast<Watched*>(event.data.ptr)) {
        watched->on_events(event.events);
      }
    }
    if (got < static_cast<int>(batch_.size())) break;
  }
  next_ = count_ = 0;
  wait();
}

}  // namespace kscpush::server
