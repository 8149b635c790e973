#include "core/ids.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>

#include <openssl/rand.h>

#include "core/numbers.hpp"

namespace kscpush {
namespace {

bool id_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

}  // namespace

bool DeviceId::valid(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLength && std::ranges::all_of(text, id_char);
}

Result<DeviceId> DeviceId::parse(std::string_view text) {
  if (valid(text)) return DeviceId(text);
  return fail({ErrorCode::kUsage, fmt::format("'{}' is not a device id", text.substr(0, 160)),
               "a device id is 1 to 128 letters, digits, '.', '_', ':' or '-'"});
}

Result<Port> Port::from(std::int64_t number) {
  if (number >= 1 && number <= 65535) return Port(static_cast<std::uint16_t>(number));
  return fail({ErrorCode::kUsage, fmt::format("port {} is out of range", number),
               "a port is a number from 1 to 65535; a push server's usual one is 13295"});
}

Result<Port> Port::parse(std::string_view text) {
  const auto number = to_number<std::int64_t>(text);
  if (!number) {
    return fail({ErrorCode::kUsage, fmt::format("'{}' is not a port", text.substr(0, 40)),
                 "a port is a number from 1 to 65535; a push server's usual one is 13295"});
  }
  return from(*number);
}

namespace {

// Of a stock of each thread's: to ask OpenSSL costs more than what it gives. Good for what must be
// unlike all others, not for what must be secret.
void take_random(std::span<unsigned char, 10> into) {
  struct Stock {
    std::array<unsigned char, 640> bytes;
    std::size_t used = sizeof bytes;
  };
  thread_local Stock stock;
  if (stock.used == stock.bytes.size()) {
    // Without randomness identifiers could collide and a push be taken for another's duplicate.
    if (RAND_bytes(stock.bytes.data(), static_cast<int>(stock.bytes.size())) != 1) {
      throw std::runtime_error("no random numbers");
    }
    stock.used = 0;
  }
  std::copy_n(stock.bytes.begin() + static_cast<std::ptrdiff_t>(stock.used), into.size(),
              into.begin());
  stock.used += into.size();
}

}  // namespace

Ulid Ulid::generate(WallTime now) {
  std::array<unsigned char, 16> bytes{};
  const auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<unsigned char>(ms >> (8 * (5 - i)));
  take_random(std::span(bytes).subspan<6>());
  Text text{};
  // 26 characters of 5 bits hold 130 bits; the two leading ones are zero.
  for (std::size_t i = 0; i < kLength; ++i) {
    unsigned value = 0;
    for (std::size_t bit = i * 5; bit < i * 5 + 5; ++bit) {
      const unsigned set = bit < 2 ? 0U : (bytes[(bit - 2) / 8] >> (7 - (bit - 2) % 8)) & 1U;
      value = value << 1 | set;
    }
    text[i] = kCrockford[value];
  }
  return Ulid(text);
}

Ulid Ulid::next() const {
  Text text = text_;
  for (std::size_t i = kLength; i-- > 0;) {
    const std::size_t digit = kCrockford.find(text[i]);
    const bool carries = digit + 1 == kCrockford.size();
    text[i] = kCrockford[carries ? 0 : digit + 1];
    if (!carries) break;
  }
  return Ulid(text);
}

Result<Ulid> Ulid::parse(std::string_view text, std::string_view what) {
  const bool fits = text.size() == kLength && text[0] <= '7' &&
                    std::ranges::all_of(
                        text, [](char c) { return kCrockford.find(c) != std::string_view::npos; });
  if (fits) {
    Text copy{};
    std::ranges::copy(text, copy.begin());
    return Ulid(copy);
  }
  return fail(
      {ErrorCode::kUsage, fmt::format("'{}' is not a {} id", text.substr(0, 60), what),
       fmt::format("a {} id is a ULID: 26 characters of digits and capital letters", what)});
}

}  // namespace kscpush
