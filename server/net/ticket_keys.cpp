#include "server/net/ticket_keys.hpp"

#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/rand.h>

namespace kscpush::server {
namespace {

template <class Bytes>
void fill(Bytes& bytes) {
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("no random numbers");
  }
}

}  // namespace

std::unique_ptr<TicketKeys::Generation> TicketKeys::generate() {
  auto keys = std::make_unique<Generation>();
  if (RAND_bytes(keys->name.data(), static_cast<int>(keys->name.size())) != 1) {
    throw std::runtime_error("no random numbers");
  }
  fill(keys->cipher);
  fill(keys->mac);
  return keys;
}

TicketKeys::TicketKeys(MonoTime now) : current_(generate()), next_(now + kPeriod) {}

void TicketKeys::rotate(MonoTime now) {
  const std::scoped_lock lock(mutex_);
  if (now < next_) return;
  auto fresh = generate();
  // After a pause of two periods even the current ones are too old.
  former_ = now < next_ + kPeriod ? std::move(current_) : nullptr;
  current_ = std::move(fresh);
  next_ = now + kPeriod;
}

bool TicketKeys::use(const Generation& keys, EVP_MAC_CTX* mac) {
  std::array<char, 7> digest{"SHA256"};
  auto key = keys.mac;  // OpenSSL's parameters are not const
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  const bool set = EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  return set;
}

bool TicketKeys::seal(Name& name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) const {
  const EVP_CIPHER* const algorithm = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(algorithm)) != 1) return false;
  const std::scoped_lock lock(mutex_);
  name = current_->name;
  return EVP_EncryptInit_ex(cipher, algorithm, nullptr, current_->cipher.data(), iv) == 1 &&
         use(*current_, mac);
}

TicketKeys::Opened TicketKeys::open(const Name& name, const unsigned char* iv,
                                    EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const {
  const std::scoped_lock lock(mutex_);
  for (const Generation* keys : {current_.get(), former_.get()}) {
    if (keys == nullptr || keys->name != name) continue;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, keys->cipher.data(), iv) != 1 ||
        !use(*keys, mac)) {
      return Opened::kUnknown;
    }
    return keys == current_.get() ? Opened::kCurrent : Opened::kFormer;
  }
  return Opened::kUnknown;
}

}  // namespace kscpush::server
