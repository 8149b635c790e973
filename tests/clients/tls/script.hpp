// A TLS client that does what standard input says, a line each, and answers each with a line. One
// program a TLS library: what they share is here, what differs is a Client.
//
// Arguments: HOST PORT AUTHORITY CERTIFICATE KEY [TLS-VERSION 1.2|1.3]
//   send HEX      -> sent
//   recv          -> got HEX | closed | error TEXT     one read
//   update yes|no -> updated | unsupported             KeyUpdate that asks for one back, or not
//   close         -> closed | error TEXT               close_notify, and what comes up to the
//   peer's info          -> TLSv1.3 CIPHER
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace tls_client {

struct Settings {
  std::string host;
  std::string authority;
  std::string certificate;
  std::string key;
  bool tls12 = false;
  int descriptor = -1;  // connected, blocking, with a timeout
};

// What went wrong ends the program.
[[noreturn]] inline void give_up(const std::string& what) {
  std::printf("error %s\n", what.c_str());
  std::exit(1);
}
inline void must(bool holds, const std::string& what) {
  if (!holds) give_up(what);
}

struct Got {
  enum class Kind { kBytes, kClosed, kError } kind = Kind::kError;
  std::string text;  // bytes, or what is wrong
};

class Client {
 public:
  virtual ~Client() = default;
  virtual void send(const std::string& bytes) = 0;
  virtual Got receive() = 0;
  // False: the library cannot.
  virtual bool update(bool request) = 0;
  // Sends close_notify.
  virtual void close() = 0;
  virtual std::string info() = 0;
};

inline std::string to_hex(const std::string& bytes) {
  std::string hex;
  char digits[3];
  for (const char byte : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte) & 0xFFU);
    hex += digits;
  }
  return hex;
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline int connect_to(const char* host, const char* port) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  must(::getaddrinfo(host, port, &hints, &found) == 0, "no such host");
  const int descriptor = ::socket(found->ai_family, found->ai_socktype, 0);
  const timeval patience{30, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  must(::connect(descriptor, found->ai_addr, found->ai_addrlen) == 0, "cannot connect");
  ::freeaddrinfo(found);
  return descriptor;
}

inline Settings settings_of(int argc, char** argv) {
  must(argc >= 6, "usage: HOST PORT AUTHORITY CERTIFICATE KEY [1.2|1.3]");
  return {argv[1],
          argv[3],
          argv[4],
          argv[5],
          argc > 6 && std::strcmp(argv[6], "1.2") == 0,
          connect_to(argv[1], argv[2])};
}

inline void say(const Got& got) {
  switch (got.kind) {
    case Got::Kind::kBytes:
      std::printf("got %s\n", to_hex(got.text).c_str());
      return;
    case Got::Kind::kClosed:
      std::puts("closed");
      return;
    case Got::Kind::kError:
      std::printf("error %s\n", got.text.c_str());
      return;
  }
}

// Reads up to the end of what the peer sends.
inline Got drain(Client& client) {
  Got got = client.receive();
  while (got.kind == Got::Kind::kBytes) got = client.receive();
  return got;
}

inline int run(Client& client) {
  std::vector<char> line(1 << 18);
  std::printf("connected\n");
  std::fflush(stdout);
  while (std::fgets(line.data(), static_cast<int>(line.size()), stdin) != nullptr) {
    std::string text(line.data());
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const std::string command = text.substr(0, text.find(' '));
    const std::string value = text.size() > command.size() ? text.substr(command.size() + 1) : "";
    if (command == "send") {
      client.send(from_hex(value));
      std::puts("sent");
    } else if (command == "recv") {
      say(client.receive());
    } else if (command == "update") {
      std::puts(client.update(value == "yes") ? "updated" : "unsupported");
    } else if (command == "close") {
      client.close();
      say(drain(client));
    } else if (command == "info") {
      std::puts(client.info().c_str());
    } else {
      give_up("unknown command");
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace tls_client
