#include "server/admin/auth.hpp"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush::server {
namespace {

constexpr std::size_t kShortestToken = 20;
constexpr std::string_view kScheme = "Bearer ";

Result<std::string> read_token_hash(const std::filesystem::path& path) {
  auto text = read_file(path, 4096);
  if (!text) {
    return fail(Error{ErrorCode::kInvalidConfig, text.error().message,
                      "the admin API needs a token file; 'kscpush init' writes one"});
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the token file {} can be read by others", path.string()),
                 fmt::format("chmod 600 {}", path.string())});
  }
  const Secret token(text->substr(0, text->find_first_of("\r\n")));
  if (token.str().size() < kShortestToken) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the token in {} is shorter than {} characters", path.string(),
                             kShortestToken),
                 "make one with: openssl rand -base64 32"});
  }
  return pki::sha256_hex(token.str());
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kNobody:
      return "nobody";
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

Result<Authenticator> Authenticator::load(const site::ServerPaths& paths) {
  Authenticator result;
  const std::pair<Role, const std::filesystem::path&> files[] = {
      {Role::kAdmin, paths.admin_token},
      {Role::kOperator, paths.operator_token},
      {Role::kViewer, paths.viewer_token}};
  for (const auto& [role, path] : files) {
    if (path.empty()) continue;
    auto hash = read_token_hash(path);
    if (!hash) return fail(hash.error());
    result.tokens_.push_back({role, std::move(*hash)});
  }
  return result;
}

Role Authenticator::role_of(std::string_view authorization) const {
  if (!authorization.starts_with(kScheme)) return Role::kNobody;
  const std::string hash = pki::sha256_hex(authorization.substr(kScheme.size()));
  for (const Token& token : tokens_) {
    if (CRYPTO_memcmp(token.hash.data(), hash.data(), hash.size()) == 0) return token.role;
  }
  return Role::kNobody;
}

}  // namespace kscpush::server
