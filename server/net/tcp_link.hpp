// Plain TCP on asio's reactor: asio waits, the system calls are made here, so that an idle
// connection owns no buffer.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "server/net/link.hpp"

namespace kscpush::server {

// The concrete executor: asio's default, any_io_executor, costs about 100 B a connection more.
using Loop = asio::io_context;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Loop::executor_type>;

class TcpLink : public Link {
 public:
  explicit TcpLink(Socket socket);

  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  void wait_readable() override;
  void wait_writable() override;
  void shutdown_write() override;
  void detach() override;
  void attach(void* loop) override;
  [[nodiscard]] Result<std::string> peer_device_id() const override { return std::string(); }
  [[nodiscard]] bool secure() const override { return false; }
  [[nodiscard]] std::string peer_address() const override;
  [[nodiscard]] std::string last_error() const override;
  void dispose() override;

 protected:
  ~TcpLink() override = default;
  [[nodiscard]] int descriptor() { return socket_.native_handle(); }
  void set_error(int error) { error_ = error; }

 private:
  // ERROR: errno. Nothing went wrong when the call would only have had to wait.
  IoResult outcome(int error, IoResult::Kind want);
  void wait(Socket::wait_type type);
  void waited(Socket::wait_type type, bool aborted);

  Socket socket_;
  int detached_ = -1;  // the descriptor between detach() and attach()
  int error_ = 0;      // errno of the last failed call
  std::uint8_t waits_ = 0;
  bool waiting_read_ = false;
  bool waiting_write_ = false;
  bool disposed_ = false;
};

}  // namespace kscpush::server
