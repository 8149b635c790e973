#include "server/admin/auth.hpp"

#include <fstream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.hpp"

namespace kscpush::server {
namespace {

constexpr const char* kAdmin = "the-token-of-the-administrator";
constexpr const char* kOperator = "the-token-of-the-operator-here";
constexpr const char* kViewer = "the-token-of-a-viewer-just-looking";

struct Tokens {
  Tokens() {
    write("admin", std::string(kAdmin) + "\n");
    paths.admin_token = dir / "admin";
  }
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(dir / name) << text;
    ::chmod((dir / name).c_str(), mode);
  }
  [[nodiscard]] Result<Authenticator> load() const { return Authenticator::load(paths); }

  test::TempDir dir;
  site::ServerPaths paths;
};

}  // namespace

TEST_CASE("auth: a token gives its role, and nothing else does") {
  Tokens tokens;
  tokens.write("operator", kOperator);
  tokens.write("viewer", std::string(kViewer) + "\r\nwhat follows is a comment\n");
  tokens.paths.operator_token = tokens.dir / "operator";
  tokens.paths.viewer_token = tokens.dir / "viewer";
  const auto auth = tokens.load();
  REQUIRE(auth.has_value());
  CHECK(auth->role_of(std::string("Bearer ") + kAdmin) == Role::kAdmin);
  CHECK(auth->role_of(std::string("Bearer ") + kOperator) == Role::kOperator);
  CHECK(auth->role_of(std::string("Bearer ") + kViewer) == Role::kViewer);
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string(kAdmin),
        std::string("Basic ") + kAdmin, std::string("bearer ") + kAdmin,
        std::string("Bearer ") + kAdmin + "x", std::string("Bearer ") + kAdmin + "\n",
        std::string("Bearer ") + std::string(kAdmin).substr(1)}) {
    CAPTURE(header);
    CHECK(auth->role_of(header) == Role::kNobody);
  }
}

TEST_CASE("auth: roles ascend") {
  CHECK(Role::kNobody < Role::kViewer);
  CHECK(Role::kViewer < Role::kOperator);
  CHECK(Role::kOperator < Role::kAdmin);
  CHECK(to_string(Role::kOperator) == "operator");
}

TEST_CASE("auth: without the files of operator and viewer there are none") {
  const Tokens tokens;
  const auto auth = tokens.load();
  REQUIRE(auth.has_value());
  CHECK(auth->role_of(std::string("Bearer ") + kOperator) == Role::kNobody);
}

TEST_CASE("auth: a token file that is missing, open to others, or too short says what to do") {
  Tokens tokens;
  const auto refused = [&](std::string_view hint) {
    const auto auth = tokens.load();
    REQUIRE_FALSE(auth.has_value());
    CHECK(auth.error().code == ErrorCode::kInvalidConfig);
    CHECK(auth.error().message.find(tokens.paths.admin_token.string()) != std::string::npos);
    CHECK(auth.error().hint.find(hint) != std::string::npos);
  };
  SUBCASE("missing") {
    tokens.paths.admin_token = tokens.dir / "none";
    refused("kscpush init");
  }
  SUBCASE("readable by the group") {
    tokens.write("admin", kAdmin, 0640);
    refused("chmod 600");
  }
  SUBCASE("readable by all") {
    tokens.write("admin", kAdmin, 0604);
    refused("chmod 600");
  }
  SUBCASE("short") {
    tokens.write("admin", "1234567890123456789\n");
    refused("openssl rand");
  }
  SUBCASE("empty") {
    tokens.write("admin", "\n1234567890123456789012345\n");
    refused("openssl rand");
  }
}

}  // namespace kscpush::server
