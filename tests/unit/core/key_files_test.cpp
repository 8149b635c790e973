// A certificate and its key are replaced as one: whatever moment a crash picks, what is there
// afterwards fits.
#include "core/key_files.hpp"

#include <fstream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "core/file.hpp"
#include "core/pki.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush {
namespace {

constexpr WallTime kNow{std::chrono::hours(24 * 365 * 50)};

pki::KeyPair issue() {
  static const auto authority = *pki::create_authority("Site", kNow, std::chrono::days(10));
  return *pki::issue_device(authority, "pc-1", kNow, std::chrono::days(5));
}

class Files {
 public:
  [[nodiscard]] KeyFiles paths() const { return {dir_ / "pc-1.crt", dir_ / "pc-1.key"}; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    return read_file(dir_ / name, 1 << 16).value_or("");
  }
  // What is there fits, nothing is left beside it, and it is this one.
  void check(const pki::KeyPair& pair) const {
    CHECK(read("pc-1.crt") == pair.certificate);
    CHECK(read("pc-1.key") == pair.key.str());
    CHECK(read("pc-1.crt.new").empty());
    CHECK(read("pc-1.key.new").empty());
  }

 private:
  test::TempDir dir_;
};

}  // namespace

TEST_CASE("key files: written where there were none, and replaced") {
  const Files files;
  const auto first = issue();
  REQUIRE(replace(files.paths(), first.certificate, first.key).has_value());
  files.check(first);
  struct stat status {};
  REQUIRE(::stat(files.paths().key.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600);
  const auto second = issue();
  REQUIRE(replace(files.paths(), second.certificate, second.key).has_value());
  files.check(second);
  REQUIRE(settle(files.paths()).has_value());
  files.check(second);
}

TEST_CASE("key files: in two steps, and who cannot keep the key is told in the first") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(replace(files.paths(), old.certificate, old.key).has_value());
  REQUIRE(prepare(files.paths(), fresh.key).has_value());
  CHECK(files.read("pc-1.key") == old.key.str());
  CHECK(files.read("pc-1.key.new") == fresh.key.str());
  REQUIRE(settle(files.paths()).has_value());
  files.check(old);
  REQUIRE(prepare(files.paths(), fresh.key).has_value());
  REQUIRE(complete(files.paths(), fresh.certificate).has_value());
  files.check(fresh);
  // As nothing keeps root from writing: what cannot be removed is in the way.
  std::filesystem::create_directories(files.paths().key.string() + ".new/full");
  CHECK(prepare(files.paths(), old.key).error().code == ErrorCode::kConflict);
}

TEST_CASE("regression: key files: who could read the old key reads the new one") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(replace(files.paths(), old.certificate, old.key).has_value());
  REQUIRE(::chmod(files.paths().key.c_str(), 0640) == 0);
  // Of a group that is not this process's first; only root may give a file to any.
  constexpr gid_t kGroup = 65534;
  const bool given = ::chown(files.paths().key.c_str(), static_cast<uid_t>(-1), kGroup) == 0;
  REQUIRE(replace(files.paths(), fresh.certificate, fresh.key).has_value());
  files.check(fresh);
  struct stat status {};
  REQUIRE(::stat(files.paths().key.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0640);
  if (given) CHECK(status.st_gid == kGroup);
}

TEST_CASE("regression: key files: symbolic links stay, and what they name is replaced") {
  const Files files;
  const test::TempDir elsewhere;
  const KeyFiles real{elsewhere / "a.crt", elsewhere / "a.key"};
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(replace(real, old.certificate, old.key).has_value());
  std::filesystem::create_symlink(real.certificate, files.paths().certificate);
  std::filesystem::create_symlink(real.key, files.paths().key);
  REQUIRE(replace(files.paths(), fresh.certificate, fresh.key).has_value());
  files.check(fresh);
  CHECK(std::filesystem::is_symlink(files.paths().certificate));
  CHECK(std::filesystem::is_symlink(files.paths().key));
  CHECK(read_file(real.key, 1 << 16).value() == fresh.key.str());
}

TEST_CASE("key files: who reads them completes what was cut, and takes nothing back") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(catch_up(files.paths()).has_value());
  REQUIRE(replace(files.paths(), old.certificate, old.key).has_value());
  REQUIRE(prepare(files.paths(), fresh.key).has_value());
  REQUIRE(catch_up(files.paths()).has_value());
  CHECK(files.read("pc-1.key") == old.key.str());
  CHECK(files.read("pc-1.key.new") == fresh.key.str());
  files.write("pc-1.crt", fresh.certificate);
  REQUIRE(catch_up(files.paths()).has_value());
  files.check(fresh);
}

TEST_CASE("key files: a crash before both new files are there changes nothing") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(replace(files.paths(), old.certificate, old.key).has_value());
  files.write("pc-1.key.new", fresh.key.str());
  REQUIRE(settle(files.paths()).has_value());
  files.check(old);
  files.write("pc-1.key.new", fresh.key.str().substr(0, 40));
  files.write("pc-1.crt.new", "half");
  REQUIRE(settle(files.paths()).has_value());
  files.check(old);
  files.write("pc-1.crt.new", "alone");
  REQUIRE(settle(files.paths()).has_value());
  files.check(old);
}

TEST_CASE("key files: a crash between the two renames is completed") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  files.write("pc-1.crt", fresh.certificate);
  files.write("pc-1.key", old.key.str());
  files.write("pc-1.key.new", fresh.key.str());
  REQUIRE(settle(files.paths()).has_value());
  files.check(fresh);
}

TEST_CASE("key files: what a crash left does not stop the next replacement") {
  const Files files;
  const auto old = issue();
  const auto fresh = issue();
  REQUIRE(replace(files.paths(), old.certificate, old.key).has_value());
  files.write("pc-1.key.new", "rubbish");
  files.write("pc-1.crt.new", "rubbish");
  REQUIRE(replace(files.paths(), fresh.certificate, fresh.key).has_value());
  files.check(fresh);
}

}  // namespace kscpush
