#include "tests/support/net/tls_records.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace kscpush::test {
namespace {

void must(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("record client: ") + what);
}

std::span<std::uint8_t> writable(std::string& text) {
  return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
}

std::string to_hex(std::string_view text) {
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

}  // namespace

std::string from_hex(std::string_view text) {
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != ' '; });
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

server::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

server::TlsTraffic test_traffic(server::TlsSuite suite) {
  const std::size_t size = suite == server::TlsSuite::kAes256GcmSha384 ? 48 : 32;
  server::TlsTraffic traffic;
  traffic.suite = suite;
  traffic.client = server::TlsSecret(bytes_of(std::string(size, 'c')));
  traffic.server = server::TlsSecret(bytes_of(std::string(size, 's')));
  return traffic;
}

RecordClient::RecordClient(const server::TlsTraffic& traffic) {
  must(sending.set(traffic.suite, traffic.client, traffic.received), "its keys");
  must(receiving.set(traffic.suite, traffic.server, traffic.sent), "the server's keys");
}

std::string RecordClient::record(char type, std::string_view content, std::size_t padding) {
  return raw(std::string(content) + type + std::string(padding, '\0'));
}

std::string RecordClient::raw(std::string_view inner) {
  std::string record(server::kTlsHeader, '\0');
  record.append(inner);
  record.append(server::kTlsTag, '\0');
  must(sending.seal(writable(record)), "seal");
  return record;
}

std::string RecordClient::read(std::string_view records) {
  std::string seen;
  while (!records.empty()) {
    const server::Bytes header = bytes_of(records).first(server::kTlsHeader);
    const std::size_t size = server::kTlsHeader + (std::size_t{header[3]} << 8U | header[4]);
    must(size <= records.size(), "half a record");
    std::string record(records.substr(0, size));
    records.remove_prefix(size);
    must(receiving.open(writable(record)), "the server's record cannot be opened");
    std::string inner = record.substr(server::kTlsHeader, size - server::kTlsOverhead + 1);
    const char type = inner.back();
    inner.pop_back();
    if (!seen.empty()) seen += ' ';
    if (type == kDataType) {
      seen += "data:" + inner;
    } else if (type == kHandshakeType) {
      seen += "handshake:" + to_hex(inner);
      if (inner[0] == '\x18') must(receiving.update(), "update");
    } else {
      seen += "alert:" + to_hex(inner);
    }
  }
  return seen;
}

}  // namespace kscpush::test
