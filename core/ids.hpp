// Values that cannot exist invalid. Each parses at the edge and is trusted afterwards.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/result.hpp"

namespace kscpush {

// Identity of a device: 1 to 128 of letters, digits, '.', '_', ':', '-'. It is the MQTT client
// identifier, the certificate's CN and a level of topic names, hence no '/', '+', '#', blanks.
class DeviceId {
 public:
  static constexpr std::size_t kMaxLength = 128;
  [[nodiscard]] static bool valid(std::string_view text);
  [[nodiscard]] static Result<DeviceId> parse(std::string_view text);
  [[nodiscard]] const std::string& str() const { return text_; }
  auto operator<=>(const DeviceId&) const = default;

 private:
  explicit DeviceId(std::string_view text) : text_(text) {}
  std::string text_;
};

// A TCP or UDP port, 1 to 65535.
class Port {
 public:
  [[nodiscard]] static Result<Port> parse(std::string_view text);
  [[nodiscard]] static Result<Port> from(std::int64_t number);
  // For constants of the product's own port table; a value out of range does not compile.
  template <std::uint16_t N>
  [[nodiscard]] static constexpr Port of() {
    static_assert(N > 0);
    return Port(N);
  }
  [[nodiscard]] constexpr std::uint16_t value() const { return value_; }
  auto operator<=>(const Port&) const = default;

 private:
  explicit constexpr Port(std::uint16_t value) : value_(value) {}
  std::uint16_t value_;
};

// Identifier of a push, a rollout or a tunnel: 48 bits of Unix milliseconds and 80 random bits,
// written as 26 characters of Crockford's base 32. Sorts by time of creation to the millisecond.
class Ulid {
 public:
  static constexpr std::size_t kLength = 26;
  // Random bits come from the operating system. Thread safe.
  [[nodiscard]] static Ulid generate(WallTime now);
  // WHAT has it as its id, for the error: "push".
  [[nodiscard]] static Result<Ulid> parse(std::string_view text, std::string_view what = "push");
  // The one after it: for many of one moment, which then sort in their order.
  [[nodiscard]] Ulid next() const;
  [[nodiscard]] std::string_view str() const { return {text_.data(), text_.size()}; }
  auto operator<=>(const Ulid&) const = default;

 private:
  // In place: a push is copied with its id, and often.
  using Text = std::array<char, kLength>;
  explicit Ulid(const Text& text) : text_(text) {}
  Text text_;
};

}  // namespace kscpush
