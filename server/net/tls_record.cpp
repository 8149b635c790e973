#include "server/net/tls_record.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace kscpush::server {
namespace {

struct SuiteRow {
  TlsSuite suite;
  const char* cipher;  // OpenSSL's name
  std::size_t key_bytes;
  const EVP_MD* (*hash)();
};

constexpr std::array<SuiteRow, 3> kSuites{{
    {TlsSuite::kAes128GcmSha256, "AES-128-GCM", 16, EVP_sha256},
    {TlsSuite::kAes256GcmSha384, "AES-256-GCM", 32, EVP_sha384},
    {TlsSuite::kChacha20Poly1305Sha256, "ChaCha20-Poly1305", 32, EVP_sha256},
}};

std::size_t index_of(TlsSuite suite) {
  return static_cast<std::size_t>(suite) - static_cast<std::size_t>(kSuites[0].suite);
}

struct Freed {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};

// This thread's context for the suite. It keeps the keys of the connection that it served last.
EVP_CIPHER_CTX* context_of(TlsSuite suite) {
  thread_local std::array<std::unique_ptr<EVP_CIPHER_CTX, Freed>, kSuites.size()> contexts;
  auto& context = contexts.at(index_of(suite));
  if (!context) {
    const std::unique_ptr<EVP_CIPHER, Freed> cipher(
        EVP_CIPHER_fetch(nullptr, kSuites.at(index_of(suite)).cipher, nullptr));
    context.reset(EVP_CIPHER_CTX_new());
    if (!context ||
        EVP_CipherInit_ex2(context.get(), cipher.get(), nullptr, nullptr, 1, nullptr) != 1) {
      context.reset();
      throw std::bad_alloc();
    }
  }
  return context.get();
}

bool authenticate(EVP_CIPHER_CTX* context, Bytes header) {
  int n = 0;
  return EVP_CipherUpdate(context, nullptr, &n, header.data(), static_cast<int>(header.size())) ==
         1;
}

bool crypt(EVP_CIPHER_CTX* context, std::span<std::uint8_t> text) {
  int n = 0;
  return EVP_CipherUpdate(context, text.data(), &n, text.data(), static_cast<int>(text.size())) ==
             1 &&
         static_cast<std::size_t>(n) == text.size();
}

}  // namespace

std::optional<TlsSuite> tls_suite(std::uint16_t number) {
  for (const SuiteRow& row : kSuites) {
    if (static_cast<std::uint16_t>(row.suite) == number) return row.suite;
  }
  return std::nullopt;
}

TlsSecret::TlsSecret(Bytes bytes)
    : size_(static_cast<std::uint8_t>(std::min(bytes.size(), bytes_.size()))) {
  std::ranges::copy(bytes.first(size_), bytes_.begin());
}

TlsSecret::~TlsSecret() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

// HKDF-Expand of at most one block of the hash is one HMAC.
bool tls_expand_label(TlsSuite suite, Bytes secret, std::string_view label,
                      std::span<std::uint8_t> into) {
  constexpr std::string_view kPrefix = "tls13 ";
  const EVP_MD* const hash = kSuites.at(index_of(suite)).hash();
  if (into.size() > static_cast<std::size_t>(EVP_MD_get_size(hash)) || label.size() > 16) {
    return false;
  }
  std::array<std::uint8_t, 32> info{};
  std::size_t size = 0;
  info[size++] = 0;
  info[size++] = static_cast<std::uint8_t>(into.size());
  info[size++] = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  for (const char c : kPrefix) info.at(size++) = static_cast<std::uint8_t>(c);
  for (const char c : label) info.at(size++) = static_cast<std::uint8_t>(c);
  info.at(size++) = 0;  // no context
  info.at(size++) = 1;  // the first block
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> block{};
  unsigned got = 0;
  const bool done = HMAC(hash, secret.data(), static_cast<int>(secret.size()), info.data(), size,
                         block.data(), &got) != nullptr;
  std::ranges::copy(Bytes(block).first(into.size()), into.begin());
  OPENSSL_cleanse(block.data(), block.size());
  return done;
}

TlsKeys::~TlsKeys() {
  OPENSSL_cleanse(key_.data(), key_.size());
  OPENSSL_cleanse(iv_.data(), iv_.size());
}

bool TlsKeys::set(TlsSuite suite, const TlsSecret& secret, std::uint64_t sequence) {
  const auto hash_bytes = EVP_MD_get_size(kSuites.at(index_of(suite)).hash());
  if (secret.bytes().size() != static_cast<std::size_t>(hash_bytes)) return false;
  suite_ = suite;
  secret_ = secret;
  sequence_ = sequence;
  return derive();
}

bool TlsKeys::derive() {
  const std::size_t key_bytes = kSuites.at(index_of(suite_)).key_bytes;
  return tls_expand_label(suite_, secret_.bytes(), "key", std::span(key_).first(key_bytes)) &&
         tls_expand_label(suite_, secret_.bytes(), "iv", iv_);
}

bool TlsKeys::update() {
  std::array<std::uint8_t, 48> next{};
  const auto fresh = std::span(next).first(secret_.bytes().size());
  const bool made = tls_expand_label(suite_, secret_.bytes(), "traffic upd", fresh);
  if (made) secret_ = TlsSecret(fresh);
  OPENSSL_cleanse(next.data(), next.size());
  sequence_ = 0;
  return made && derive();
}

TlsKeys::Nonce TlsKeys::nonce() const {
  Nonce nonce = iv_;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce.at(nonce.size() - 1 - i) ^= static_cast<std::uint8_t>(sequence_ >> (8 * i));
  }
  return nonce;
}

bool TlsKeys::seal(std::span<std::uint8_t> record) {
  if (sequence_ == std::numeric_limits<std::uint64_t>::max()) return false;
  const std::size_t length = record.size() - kTlsHeader;
  const std::array<std::uint8_t, kTlsHeader> header{
      0x17, 3, 3, static_cast<std::uint8_t>(length >> 8U), static_cast<std::uint8_t>(length)};
  std::ranges::copy(header, record.begin());
  EVP_CIPHER_CTX* const context = context_of(suite_);
  const auto tag = record.last(kTlsTag);
  int n = 0;
  const bool sealed =
      EVP_CipherInit_ex2(context, nullptr, key_.data(), nonce().data(), 1, nullptr) == 1 &&
      authenticate(context, header) &&
      crypt(context, record.subspan(kTlsHeader, length - kTlsTag)) &&
      EVP_CipherFinal_ex(context, tag.data(), &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTlsTag, tag.data()) == 1;
  ++sequence_;
  return sealed;
}

bool TlsKeys::open(std::span<std::uint8_t> record) {
  if (sequence_ == std::numeric_limits<std::uint64_t>::max()) return false;
  EVP_CIPHER_CTX* const context = context_of(suite_);
  const auto tag = record.last(kTlsTag);
  const auto text = record.subspan(kTlsHeader, record.size() - kTlsHeader - kTlsTag);
  int n = 0;
  const bool opened =
      EVP_CipherInit_ex2(context, nullptr, key_.data(), nonce().data(), 0, nullptr) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTlsTag, tag.data()) == 1 &&
      authenticate(context, record.first(kTlsHeader)) && crypt(context, text) &&
      EVP_CipherFinal_ex(context, tag.data(), &n) == 1;
  ++sequence_;
  // What was not authentic must not be looked at.
  if (!opened) {
    OPENSSL_cleanse(text.data(), text.size());
    ERR_clear_error();
  }
  return opened;
}

}  // namespace kscpush::server
