// The round-trip corpus, tests/corpus: each file is a configuration, a command, and the bytes that
// must come out of it. tests/corpus/README.md tells the format.
#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include <doctest/doctest.h>

#include "cli/app.hpp"
#include "core/file.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kLeastCases = 150;

using Files = std::map<std::string, std::string>;

struct Case {
  std::vector<std::string> command;
  bool crlf = false;
  bool bom = false;
  bool no_final_newline = false;
  Files before;
  Files after;  // those that change
  bool unchanged = false;
  std::vector<std::string> refused;  // lines that standard error holds
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// What the text of a case stands for.
std::string bytes_of(std::string text, const Case& test) {
  if (test.no_final_newline && text.ends_with('\n')) text.pop_back();
  if (test.crlf) replace_all(text, "\n", "\r\n");
  replace_all(text, "␍", "\r");
  for (std::size_t at = 0; (at = text.find("⟦", at)) != std::string::npos; ++at) {
    const int byte = std::stoi(text.substr(at + 3, 2), nullptr, 16);
    text.replace(at, 8, 1, static_cast<char>(byte));
  }
  return test.bom ? "\xEF\xBB\xBF" + text : text;
}

// Words as a shell splits them, double quotes only.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (const char c : line + " ") {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any || !word.empty()) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
    }
  }
  return words;
}

// "before" of "--- before groups/a.yaml"; empty for any other line.
std::string section_kind(std::string_view line) {
  for (const std::string_view kind : {"before", "after", "refused", "unchanged"}) {
    if (line.starts_with(fmt::format("--- {}", kind))) return std::string(kind);
  }
  return {};
}

Case read_case(const fs::path& path) {
  const auto text = read_file(path, kMaxBytes);
  REQUIRE(text.has_value());
  Case test;
  std::istringstream lines(*text);
  std::string* section = nullptr;
  bool refused = false;
  for (std::string line; std::getline(lines, line);) {
    const std::string kind = section_kind(line);
    if (!kind.empty()) {
      std::istringstream words(line.substr(4 + kind.size()));
      std::string name = "kscpush.yaml";
      words >> name;
      if (name.empty()) name = "kscpush.yaml";
      section = kind == "before"  ? &test.before[name]
                : kind == "after" ? &test.after[name]
                                  : nullptr;
      refused = kind == "refused";
      test.unchanged = test.unchanged || kind == "unchanged";
    } else if (section != nullptr) {
      *section += line + "\n";
    } else if (refused) {
      test.refused.push_back(line);
    } else if (line.starts_with("$ ")) {
      test.command = words_of(line.substr(2));
    } else if (line.starts_with("! ")) {
      test.crlf = line.find(" crlf") != std::string::npos;
      test.bom = line.find(" bom") != std::string::npos;
      test.no_final_newline = line.find(" no-final-newline") != std::string::npos;
    }
  }
  REQUIRE_FALSE(test.command.empty());
  REQUIRE_FALSE(test.before.empty());
  const int outcomes =
      (test.after.empty() ? 0 : 1) + (test.refused.empty() ? 0 : 1) + (test.unchanged ? 1 : 0);
  REQUIRE(outcomes == 1);
  return test;
}

void check_case(const Case& test) {
  const test::TempDir folder;
  Files expected;
  for (const auto& [name, text] : test.before) {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name, std::ios::binary) << (expected[name] = bytes_of(text, test));
  }
  for (const auto& [name, text] : test.after) expected[name] = bytes_of(text, test);

  std::ostringstream out;
  std::ostringstream err;
  const test::FakeClock clock;
  Context context{.out = out,
                  .err = err,
                  .clock = clock,
                  .directory = folder.path(),
                  .environment = [](const char*) { return std::nullopt; }};
  const int code = run(test.command, context);
  CAPTURE(out.str());
  CAPTURE(err.str());
  CHECK((code != 0) == !test.refused.empty());
  for (const std::string& line : test.refused) {
    CHECK(err.str().find(line) != std::string::npos);
  }
  if (test.unchanged) CHECK(out.str().find("(nothing to change)") != std::string::npos);
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (!entry.is_directory()) ++files;
  }
  CHECK(files == expected.size());
  for (const auto& file : expected) {
    CAPTURE(file.first);
    const auto& [name, bytes] = file;
    CHECK(read_file(folder / name, kMaxBytes).value_or("") == bytes);
  }
}

}  // namespace

TEST_CASE("the corpus: each command gives exactly the bytes that its case shows") {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(KSCPUSH_SOURCE_DIR "/tests/corpus")) {
    if (entry.path().extension() == ".case") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  CHECK(paths.size() >= kLeastCases);
  for (const fs::path& path : paths) {
    CAPTURE(path.string());
    check_case(read_case(path));
  }
}

}  // namespace kscpush::cli
