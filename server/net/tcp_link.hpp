// Plain TCP. The system calls are made here and the loop only tells when, so that an idle
// connection owns no buffer.
#pragma once

#include "core/descriptor.hpp"
#include "server/net/link.hpp"
#include "server/net/loop.hpp"

namespace kscpush::server {

class TcpLink : public Link, private Watched {
 public:
  // A connected socket that does not block.
  TcpLink(Descriptor socket, Loop& loop);

  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  void wait_readable() override;
  void wait_writable() override;
  IoResult shutdown_write() override;
  void detach() override;
  void attach(Loop& loop) override;
  [[nodiscard]] Result<std::string> peer_device_id() const override { return std::string(); }
  [[nodiscard]] bool secure() const override { return false; }
  [[nodiscard]] std::string peer_address() const override;
  [[nodiscard]] std::string last_error() const override;
  void break_off() override;
  void dispose() override;

 protected:
  ~TcpLink() override = default;
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  void set_error(int error) { error_ = static_cast<std::int16_t>(error); }

 private:
  void on_events(std::uint32_t events) override;
  void want(std::uint32_t events);
  // ERROR: errno. Nothing went wrong when the call would only have had to wait.
  IoResult outcome(int error, IoResult::Kind want);

  Loop* loop_ = nullptr;  // while attached
  Descriptor socket_;
  std::int16_t error_ = 0;  // errno of the last failed call
  std::uint8_t asked_ = 0;  // of epoll: EPOLLIN, EPOLLOUT
  bool waits_to_read_ = false;
  bool waits_to_write_ = false;
  bool watched_ = false;
};

}  // namespace kscpush::server
