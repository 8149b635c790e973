// Holds the source to what docs/architecture.md says of it.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path;  // "core/ids.cpp"
  std::vector<std::string> lines;

  [[nodiscard]] std::string folder() const { return path.substr(0, path.find('/')); }
  [[nodiscard]] std::vector<std::string> included() const {
    std::vector<std::string> found;
    for (const std::string& line : lines) {
      if (!line.starts_with("#include ")) continue;
      const std::size_t from = line.find_first_of("\"<");
      const std::size_t to = line.find_last_of("\">");
      found.push_back(line.substr(from, to - from + 1));
    }
    return found;
  }
};

std::vector<SourceFile> sources_in(std::initializer_list<const char*> folders) {
  std::vector<SourceFile> files;
  const fs::path root = KSCPUSH_SOURCE_DIR;
  for (const char* folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".hpp") continue;
      SourceFile file{fs::relative(entry.path(), root).string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

// Of the product.
const std::vector<SourceFile>& sources() {
  static const auto all = sources_in({"core", "policy", "server", "agent", "cli"});
  return all;
}

}  // namespace

TEST_CASE("there are sources to look at") {
  REQUIRE(sources().size() > 50);
}

TEST_CASE("folders include along core <- policy <- {server, agent} <- cli only") {
  const std::map<std::string, std::set<std::string>> may{
      {"core", {"core"}},
      {"policy", {"core", "policy"}},
      {"server", {"core", "policy", "server"}},
      {"agent", {"core", "policy", "agent"}},
      {"cli", {"core", "policy", "server", "agent", "cli"}}};
  for (const SourceFile& file : sources()) {
    for (const std::string& include : file.included()) {
      if (!include.starts_with('"')) continue;
      const std::string target = include.substr(1, include.find('/') - 1);
      CAPTURE(file.path);
      CAPTURE(include);
      CHECK(may.at(file.folder()).contains(target));
    }
  }
}

TEST_CASE("core and policy know nothing of sockets, threads and terminals") {
  const std::set<std::string> forbidden{"<asio.hpp>", "<sys/socket.h>", "<netinet/in.h>",
                                        "<iostream>", "<spdlog/spdlog.h>"};
  for (const SourceFile& file : sources()) {
    if (file.folder() != "core" && file.folder() != "policy") continue;
    for (const std::string& include : file.included()) {
      CAPTURE(file.path);
      CAPTURE(include);
      CHECK_FALSE(forbidden.contains(include));
      CHECK_FALSE(include.starts_with("<asio/"));
    }
    for (const std::string& line : file.lines) {
      CAPTURE(file.path);
      CAPTURE(line);
      CHECK(line.find("std::thread") == std::string::npos);
      CHECK(line.find("std::mutex") == std::string::npos);
    }
  }
}

TEST_CASE("only the command line prints") {
  for (const SourceFile& file : sources()) {
    if (file.folder() == "cli") continue;
    for (const std::string& line : file.lines) {
      CAPTURE(file.path);
      CAPTURE(line);
      CHECK(line.find("std::cout") == std::string::npos);
      CHECK(line.find("std::cerr") == std::string::npos);
      CHECK(line.find("fmt::print(") == std::string::npos);
    }
  }
}

TEST_CASE("exactly one file includes RESTinio, as it costs 16 s to compile") {
  std::set<std::string> users;
  for (const SourceFile& file : sources()) {
    for (const std::string& include : file.included()) {
      if (include.starts_with("<restinio/")) users.insert(file.path);
    }
  }
  CHECK(users == std::set<std::string>{"server/admin/http_server.cpp"});
}

TEST_CASE("files stay readable: at most 500 lines of at most 100 columns") {
  for (const SourceFile& file : sources_in({"core", "policy", "server", "agent", "cli", "tests"})) {
    CAPTURE(file.path);
    CHECK(file.lines.size() <= 500);
    for (const std::string& line : file.lines) {
      CAPTURE(line);
      // Bytes in excess of columns come from letters outside ASCII.
      std::size_t columns = 0;
      for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0U) != 0x80 ? 1 : 0;
      CHECK((columns <= 100 || file.path == "cli/support/site_template.cpp"));
    }
  }
}

TEST_CASE("algorithms that clang 14 does not compile with this library are not used") {
  for (const SourceFile& file : sources_in({"core", "policy", "server", "agent", "cli", "tests"})) {
    if (file.path.starts_with("tests/architecture/")) continue;
    for (const std::string& line : file.lines) {
      if (line.find("//") != std::string::npos) continue;
      CAPTURE(file.path);
      CAPTURE(line);
      for (const char* name : {"partition", "stable_partition", "remove", "remove_if", "unique",
                               "equal_range", "search", "rotate", "subrange"}) {
        CHECK(line.find(std::string("std::ranges::") + name + "(") == std::string::npos);
      }
      CHECK(line.find("std::views::") == std::string::npos);
    }
  }
}
