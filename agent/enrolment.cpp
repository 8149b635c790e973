#include "agent/enrolment.hpp"

#include <random>
#include <thread>

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/ssl.hpp>
#include <asio/write.hpp>

#include "agent/tls.hpp"
#include "core/pki.hpp"
#include "core/pki_pin.hpp"
#include "core/port_protocols.hpp"

namespace kscpush::agent {
namespace {

constexpr int kAttempts = 3;  // of each question; with one token and one key
constexpr std::chrono::milliseconds kPause{1000};

// One connection: a line there, a line back.
class Exchange {
 public:
  Exchange(const Endpoint& server, asio::ssl::context& tls, const EnrolmentRequest& request)
      : server_(server), line_(encode(request).str() + "\n"), stream_(loop_, tls) {}

  Result<EnrolmentAnswer> run(const std::stop_token& stop = {}) {
    const std::stop_callback cancel(stop, [this] { loop_.stop(); });
    resolver_.async_resolve(server_.host, std::to_string(server_.port.value()),
                            [this](const asio::error_code& error, const auto& addresses) {
                              if (error) return unreachable(error);
                              connect(addresses);
                            });
    loop_.run_for(kEnrolmentDeadline);
    if (result_) return std::move(*result_);
    return fail({ErrorCode::kNoAnswer, fmt::format("no answer from {} in time", to_string(server_)),
                 "is a push server there? Firewalls on the way must let its port through"});
  }

 private:
  void end(Error error) { result_ = fail(std::move(error)); }

  void unreachable(const asio::error_code& error) {
    end({ErrorCode::kUnreachable,
         fmt::format("the push server {} cannot be reached: {}", to_string(server_),
                     error.message()),
         "check address and port, and the firewalls on the way"});
  }

  void connect(const asio::ip::tcp::resolver::results_type& addresses) {
    asio::async_connect(stream_.next_layer(), addresses,
                        [this](const asio::error_code& error, const auto& /*endpoint*/) {
                          if (error) return unreachable(error);
                          handshake();
                        });
  }

  void handshake() {
    aim(stream_.native_handle(), server_.host, kEnrollProtocol);
    stream_.async_handshake(asio::ssl::stream_base::client, [this](const asio::error_code& error) {
      if (error) return no_handshake(error);
      send();
    });
  }

  void no_handshake(const asio::error_code& error) {
    const bool stranger = error.category() == asio::error::get_ssl_category() &&
                          ERR_GET_REASON(static_cast<unsigned long>(error.value())) ==
                              SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (stranger) {
      return end({ErrorCode::kDenied,
                  fmt::format("{} is not the push server that is meant: {}", to_string(server_),
                              error.message()),
                  "nothing was sent to it; use the address that its certificate is for"});
    }
    end({ErrorCode::kFailed,
         fmt::format("no TLS connection with {}: {}", to_string(server_), error.message()),
         "is it a kscpush push server of this version?"});
  }

  void send() {
    if (protocol_of(stream_.native_handle()) != kEnrollProtocol) {
      return end({ErrorCode::kFailed,
                  fmt::format("{} enrols no devices: it does not know the protocol {}",
                              to_string(server_), kEnrollProtocol),
                  "is it a kscpush push server of this version?"});
    }
    asio::async_write(stream_, asio::buffer(line_.str()),
                      [this](const asio::error_code& error, std::size_t) {
                        if (error) return unreachable(error);
                        receive();
                      });
  }

  void receive() {
    asio::async_read_until(
        stream_, asio::dynamic_buffer(answer_, kLongestEnrolmentAnswer), '\n',
        [this](const asio::error_code& error, std::size_t size) {
          if (error) return unreachable(error);
          result_ = decode_enrolment_answer(std::string_view(answer_).substr(0, size - 1));
        });
  }

  const Endpoint& server_;
  const Secret line_;
  asio::io_context loop_{1};
  asio::ip::tcp::resolver resolver_{loop_};
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string answer_;
  std::optional<Result<EnrolmentAnswer>> result_;
};

// The certificate must be what was asked for: a server that mixes devices up is found here.
Result<Enrolled> accept(EnrolmentAnswer answer, Secret key) {
  const auto wrong = [](const std::string& why) {
    return fail({ErrorCode::kFailed, "the server's certificate for the device is not good: " + why,
                 "look at the server's log"});
  };
  if (!answer.device) return wrong("it did not send one");
  if (auto fits = pki::check_key_fits(answer.certificate, key); !fits) {
    return wrong(fits.error().message);
  }
  const auto id = pki::device_id_of(answer.certificate);
  if (!id) return wrong(id.error().message);
  if (*id != *answer.device) return wrong("it is of another device");
  return Enrolled{*answer.device, std::move(answer.certificate), std::move(key),
                  std::move(answer.authority), std::move(answer.servers)};
}

bool may_help_to_ask_again(const Error& error) {
  return error.code == ErrorCode::kUnreachable || error.code == ErrorCode::kNoAnswer ||
         error.code == ErrorCode::kOverloaded;
}

// Tries again what may work a little later. The pauses differ, as many that are refused together
// must not come back together.
Result<EnrolmentAnswer> ask(const Endpoint& server, asio::ssl::context& tls,
                            const EnrolmentRequest& request, const Pause& pause) {
  std::random_device device;
  std::uniform_int_distribution<std::int64_t> jitter(0, kPause.count());
  auto answer = Exchange(server, tls, request).run();
  for (int n = 1; n < kAttempts && !answer && may_help_to_ask_again(answer.error()); ++n) {
    pause(kPause + std::chrono::milliseconds(jitter(device)));
    answer = Exchange(server, tls, request).run();
  }
  return answer;
}

// The authority's certificate, from whoever answers: its hash says whether it is the right one.
Result<std::string> fetch_authority(const Endpoint& server, const EnrolmentToken& token,
                                    const Pause& pause) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (auto loaded = load_authority(tls, ""); !loaded) return fail(loaded.error());
  auto answer = ask(server, tls, {.what = EnrolmentRequest::What::kAuthority}, pause);
  if (!answer) return fail(answer.error());
  // Alone: a stranger could have put an authority of his own behind the right one.
  auto authority = pki::certificate_with(token.authority, answer->authority);
  if (authority) return std::move(*authority);
  return fail({ErrorCode::kDenied,
               fmt::format("{} is not the push server that the token is of", to_string(server)),
               "nothing was sent to it; use the address that the token was printed with"});
}

}  // namespace

void pause_for(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

Result<Enrolled> enroll(const Endpoint& server, const EnrolmentToken& token,
                        const std::optional<DeviceId>& device, const Pause& pause) {
  const auto authority = fetch_authority(server, token, pause);
  if (!authority) return fail(authority.error());
  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (auto loaded = load_authority(tls, *authority); !loaded) return fail(loaded.error());
  auto made = pki::create_request();
  if (!made) return fail(made.error());
  const EnrolmentRequest request{.what = EnrolmentRequest::What::kEnrol,
                                 .secret = token.secret,
                                 .device = device,
                                 .csr = made->request};
  // An answer that was lost is given again to the same key.
  auto answer = ask(server, tls, request, pause);
  if (!answer) return fail(answer.error());
  return accept(std::move(*answer), std::move(made->key));
}

Result<Enrolled> renew(const std::vector<Endpoint>& servers, const CredentialFiles& files,
                       const std::stop_token& stop) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (auto loaded = load_tls(tls, {files.authority, files.certificate, files.key}); !loaded) {
    return fail(loaded.error());
  }
  auto made = pki::create_request();
  if (!made) return fail(made.error());
  if (auto prepared = prepare(files, made->key); !prepared) {
    return fail({prepared.error().code,
                 prepared.error().message + "; the folder must be the agent's to write",
                 "'files' in the agent's file names it"});
  }
  const EnrolmentRequest request{.what = EnrolmentRequest::What::kRenew, .csr = made->request};
  Result<EnrolmentAnswer> answer = fail(ErrorCode::kUsage, "no push server is known");
  for (const Endpoint& server : servers) {
    answer = Exchange(server, tls, request).run(stop);
    if (answer) break;
  }
  auto enrolled = answer ? accept(std::move(*answer), std::move(made->key))
                         : Result<Enrolled>(fail(answer.error()));
  if (!enrolled) static_cast<void>(settle(files));  // the key that is of no use
  return enrolled;
}

}  // namespace kscpush::agent
