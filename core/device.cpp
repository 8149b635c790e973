#include "core/device.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

#include "core/mqtt/utf8.hpp"
#include "core/words.hpp"

namespace kscpush {
namespace {

constexpr std::size_t kLongestPlatform = 32;
constexpr std::string_view kSeparators = ";, \t";

constexpr std::size_t kMostShown = 80;  // bytes of text of others, in a message

bool is_platform_character(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

Status check_tag(std::string_view tag) {
  const auto refuse = [&](std::string_view why) {
    return fail({ErrorCode::kUsage,
                 fmt::format("'{}' is no tag: {}", one_line(tag, kMostShown), why),
                 "a tag is a word like laptop, site:berlin or büro"});
  };
  if (tag.empty()) return refuse("it is empty");
  if (tag.size() > kLongestTag) return refuse(fmt::format("more than {} bytes", kLongestTag));
  if (!mqtt::is_utf8(tag)) return refuse("it is not UTF-8");
  if (std::string_view("+-=").find(tag.front()) != std::string_view::npos) {
    return refuse("it begins with '+', '-' or '='");
  }
  const bool bad = std::ranges::any_of(tag, [](unsigned char c) {
    return c <= 0x20 || c == 0x7F || c == ',' || c == ';' || c == '"' || c == '\'';
  });
  if (bad) return refuse("it holds a blank, a quote, ',' or ';'");
  return {};
}

Result<Tags> make_tags(std::vector<std::string> tags) {
  for (const std::string& tag : tags) {
    if (auto good = check_tag(tag); !good) return fail(good.error());
  }
  std::ranges::sort(tags);
  // std::ranges::unique does not compile with clang 14 and this library.
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  if (tags.size() <= kMostTags) return tags;
  return fail(ErrorCode::kUsage, "{} tags, a device has at most {}", tags.size(), kMostTags);
}

Result<Tags> parse_tags(std::string_view text) {
  std::vector<std::string> tags;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    if (!word.empty()) tags.emplace_back(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return make_tags(std::move(tags));
}

std::string join(const Tags& tags) {
  return fmt::format("{}", fmt::join(tags, " "));
}

Result<std::string> parse_platform(std::string_view text) {
  std::string platform(text.substr(0, kLongestPlatform + 1));
  for (char& c : platform) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const bool good = std::ranges::all_of(
      platform, [](char c) { return is_platform_character(static_cast<unsigned char>(c)); });
  if (good && platform.size() <= kLongestPlatform) return platform;
  return fail({ErrorCode::kUsage, fmt::format("'{}' is no platform", one_line(text, kMostShown)),
               "a word like windows, linux or macos"});
}

Result<std::string> parse_address(std::string_view text) {
  if (text.empty()) return std::string();
  const std::string given(text.substr(0, INET6_ADDRSTRLEN));
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, given.c_str(), bytes.data()) != 1) continue;
    ::inet_ntop(family, bytes.data(), canonical.data(), canonical.size());
    return std::string(canonical.data());
  }
  return fail({ErrorCode::kUsage, fmt::format("'{}' is no IP address", one_line(text, kMostShown)),
               "like 192.0.2.17 or 2001:db8::17, without a port"});
}

}  // namespace kscpush
