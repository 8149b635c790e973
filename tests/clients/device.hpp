// What the two Paho programs share: their command line, and the words they print.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

struct Device {
  explicit Device(char** argv)
      : uri(std::string("ssl://localhost:") + argv[1]),
        authority(argv[2]),
        certificate(argv[3]),
        key(argv[4]),
        id(argv[5]),
        version(std::atoi(argv[6])),
        inbox("ksc/v1/devices/" + id + "/push"),
        up("ksc/v1/devices/" + id + "/up/result") {}
  const std::string uri;
  const std::string authority;
  const std::string certificate;
  const std::string key;
  const std::string id;
  const int version;  // 4 or 5
  const std::string inbox;
  const std::string up;
};

inline void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// The answer to a push, by the id in its JSON.
inline std::string completed(const std::string& push) {
  constexpr std::size_t kUlid = 26;
  const std::string name = "\"id\":\"";
  const std::size_t at = push.find(name);
  if (at == std::string::npos) return "{}";
  return "{" + name + push.substr(at + name.size(), kUlid) + "\",\"status\":\"completed\"}";
}
