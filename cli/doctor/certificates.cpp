// Certificates, keys and tokens: are they there, do they fit together, and how long do they last.
#include <sys/stat.h>

#include "cli/doctor/checks.hpp"
#include "core/file.hpp"
#include "core/pki.hpp"
#include "server/net/tls_trust.hpp"

namespace kscpush::cli {
namespace {

using Level = Finding::Level;

constexpr std::size_t kMaxPem = 4UL * 1024 * 1024;

std::string days_until(WallTime end, WallTime now) {
  const auto days = std::chrono::floor<std::chrono::days>(end - now).count();
  return fmt::format("{} ({} days)", to_rfc3339(end), days);
}

class Certificates {
 public:
  Certificates(const site::DistributionPoint& dp, const site::ServerPaths& paths, WallTime now)
      : dp_(dp), paths_(paths), now_(now) {}

  Findings run() {
    authorities_ = read("certificate authority", paths_.client_ca,
                        "put it there, or set push_server.tls.client_ca");
    if (authorities_) authority(*authorities_);
    const auto certificate = read("server certificate", paths_.certificate, renewal());
    if (certificate) server(*certificate);
    if (!paths_.crl.empty()) revocation_list();
    for (const auto& path : {paths_.key, paths_.authority_key, paths_.admin_token}) secret(path);
    return std::move(findings_);
  }

 private:
  [[nodiscard]] std::string renewal() const {
    return fmt::format("kscpush dp renew-certificate {}", dp_.name);
  }

  void add(Level level, std::string subject, std::string what, std::string mend = "") {
    findings_.push_back({level, std::move(subject), std::move(what), std::move(mend)});
  }

  std::optional<std::string> read(const std::string& subject, const std::filesystem::path& path,
                                  const std::string& mend) {
    auto text = read_file(path, kMaxPem);
    if (text) return std::move(*text);
    const bool denied = text.error().code == ErrorCode::kDenied;
    add(Level::kError, subject, text.error().message,
        denied ? "run this as the user who runs the push server" : mend);
    return std::nullopt;
  }

  void authority(const std::string& pem) {
    const auto info = pki::inspect(pem);
    if (!info) return add(Level::kError, "certificate authority", info.error().message);
    const std::string until = days_until(info->not_after, now_);
    constexpr std::chrono::days kSoon{365};
    if (info->not_after <= now_) {
      add(Level::kError, "certificate authority",
          fmt::format("{} has expired: {}", paths_.client_ca.string(), until),
          "make a new authority and certificates of it; put both authorities into "
          "push_server.tls.client_ca while devices change over");
    } else if (info->not_after - now_ < kSoon) {
      add(Level::kWarning, "certificate authority",
          fmt::format("{} ends {}; no device certificate lasts longer", info->subject, until),
          "make the next authority now, and put both into push_server.tls.client_ca while devices "
          "change over");
    } else {
      add(Level::kOk, "certificate authority", fmt::format("{} until {}", info->subject, until));
    }
  }

  void server(const std::string& pem) {
    const auto info = pki::inspect(pem);
    if (!info) return add(Level::kError, "server certificate", info.error().message, renewal());
    dates(*info);
    names(pem);
    const auto key = read("server key", paths_.key, renewal());
    if (!key) return;
    if (const auto fits = pki::check_key_fits(pem, Secret(*key)); !fits) {
      add(Level::kError, "server key", fits.error().message, renewal());
    } else {
      add(Level::kOk, "server key", "fits the certificate");
    }
  }

  void dates(const pki::CertificateInfo& info) {
    const std::string until = days_until(info.not_after, now_);
    const WallTime due = pki::renewal_due(info);
    if (info.not_before > now_) {
      add(Level::kError, "server certificate",
          fmt::format("it is valid from {} on, and it is {} by this machine's clock",
                      to_rfc3339(info.not_before), to_rfc3339(now_)),
          "set the clock: timedatectl set-ntp true");
    } else if (info.not_after <= now_) {
      add(Level::kError, "server certificate", fmt::format("it has expired: {}", until), renewal());
    } else if (due <= now_) {
      add(Level::kWarning, "server certificate",
          fmt::format("until {}: to be renewed since {}", until, to_rfc3339(due)), renewal());
    } else {
      add(Level::kOk, "server certificate",
          fmt::format("until {}, to be renewed from {} on", until, to_rfc3339(due)));
    }
  }

  void names(const std::string& pem) {
    if (!dp_.address.empty()) {
      if (const auto fits = pki::is_for_host(pem, dp_.address); fits && !*fits) {
        add(Level::kError, "server certificate",
            fmt::format("it is not for '{}', which is what devices connect to", dp_.address),
            renewal());
      }
    }
    if (!authorities_) return;
    if (const auto issued = pki::issuer_among(pem, *authorities_); issued && !issued->has_value()) {
      add(Level::kWarning, "server certificate",
          fmt::format("none of the authorities in {} has issued it: devices that know only these "
                      "refuse it",
                      paths_.client_ca.string()),
          fmt::format("give devices its authority as ca.crt, or: {}", renewal()));
    }
  }

  void revocation_list() {
    const auto trust = server::TlsTrust::load(paths_.client_ca, paths_.crl, unix_seconds(now_));
    if (!trust) {
      return add(Level::kError, "revocation list", trust.error().message, trust.error().hint);
    }
    const std::int64_t expires = (*trust)->crl_expires();
    if (expires == server::TlsTrust::kNever) {
      return add(Level::kOk, "revocation list", "it names no time of a next update");
    }
    const WallTime end{std::chrono::seconds(expires)};
    constexpr std::chrono::days kSoon{2};
    const bool soon = end - now_ < kSoon;
    add(soon ? Level::kWarning : Level::kOk, "revocation list",
        fmt::format("{}, next update due {}", paths_.crl.string(), days_until(end, now_)),
        soon ? "put the authority's newest list there, then: systemctl reload kscpush" : "");
  }

  void secret(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return;  // what must be there was read above
    constexpr mode_t kOthers = 0077;
    if ((status.st_mode & kOthers) == 0) return;
    add(Level::kWarning, "secrets",
        fmt::format("{} can be used by others (mode {:04o})", path.string(),
                    status.st_mode & 07777U),
        fmt::format("chmod 600 {}", path.string()));
  }

  const site::DistributionPoint& dp_;
  const site::ServerPaths& paths_;
  WallTime now_;
  std::optional<std::string> authorities_;
  Findings findings_;
};

}  // namespace

Findings check_certificates(const site::DistributionPoint& dp, const site::ServerPaths& paths,
                            WallTime now) {
  return Certificates(dp, paths, now).run();
}

}  // namespace kscpush::cli
