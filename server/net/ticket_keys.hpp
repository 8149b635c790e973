// Keys of the session tickets. Shared by the shards, so that a device resumes on any of them; in
// memory only, so that they end with the process and no file can give them away.
//
// Two generations: new tickets are made with the newer, and those of the one before still open. So
// a ticket is good for kPeriod at least, which is also the lifetime that devices are told. A day:
// whoever gets hold of the keys reads sessions that were resumed with TLS 1.2 and can come as any
// device for as long as they live (TLS 1.3 agrees on new keys each time), while a shorter time
// would bring a whole fleet back with full handshakes after a night without a network.
//
// Thread safe.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

#include <openssl/evp.h>

#include "core/clock.hpp"
#include "server/net/secret_memory.hpp"

namespace kscpush::server {

class TicketKeys {
 public:
  static constexpr std::chrono::hours kPeriod{24};

  // Throws std::runtime_error when there are no random numbers.
  explicit TicketKeys(MonoTime now);

  // To be called now and then: makes new keys when it is time, and wipes the oldest.
  void rotate(MonoTime now);

  using Name = std::array<unsigned char, 16>;
  enum class Opened : std::uint8_t { kUnknown, kCurrent, kFormer };

  // For a new ticket: fills in NAME and IV and prepares both contexts.
  [[nodiscard]] bool seal(Name& name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* mac) const;
  // For one that has come back.
  [[nodiscard]] Opened open(const Name& name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                            EVP_MAC_CTX* mac) const;

 private:
  struct Generation : Undumped {
    Name name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
  };
  [[nodiscard]] static std::unique_ptr<Generation> generate();
  [[nodiscard]] static bool use(const Generation& keys, EVP_MAC_CTX* mac);

  mutable std::mutex mutex_;
  std::unique_ptr<Generation> current_;
  std::unique_ptr<Generation> former_;
  MonoTime next_;
};

}  // namespace kscpush::server
