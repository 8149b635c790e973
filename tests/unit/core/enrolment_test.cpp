#include "core/enrolment.hpp"

#include <doctest/doctest.h>

#include "core/pki.hpp"

namespace kscpush {
namespace {

const std::string kHash(64, 'a');

EnrolmentRequest enrolling() {
  return {.what = EnrolmentRequest::What::kEnrol,
          .secret = pki::random_token(),
          .device = *DeviceId::parse("pc-1"),
          .csr = "-----BEGIN\nthe request"};
}

ErrorCode refused(std::string_view line) {
  const auto request = decode_enrolment_request(line);
  REQUIRE_FALSE(request.has_value());
  return request.error().code;
}

}  // namespace

TEST_CASE("a token goes through text, and nothing else is one") {
  const EnrolmentToken token{pki::random_token(), kHash};
  const std::string text = to_text(token).str();
  const auto parsed = parse_token(text);
  REQUIRE(parsed.has_value());
  CHECK(parsed->secret.str() == token.secret.str());
  CHECK(parsed->authority == kHash);
  for (const std::string& bad :
       {std::string(), text.substr(1), text.substr(0, text.size() - 1), text + "a",
        "kscpush2." + text.substr(9), text.substr(0, text.size() - 1) + "G"}) {
    CAPTURE(bad);
    const auto none = parse_token(bad);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == ErrorCode::kUsage);
    // A slip must not put a secret on the screen.
    CHECK(none.error().message.find(token.secret.str()) == std::string::npos);
  }
}

TEST_CASE("enrolment requests read as they were written") {
  const EnrolmentRequest request = enrolling();
  const std::string line = encode(request).str();
  CHECK(line.find('\n') == std::string::npos);
  const auto read = decode_enrolment_request(line);
  REQUIRE(read.has_value());
  CHECK(read->what == EnrolmentRequest::What::kEnrol);
  CHECK(read->secret.str() == request.secret.str());
  CHECK(read->device == request.device);
  CHECK(read->csr == request.csr);
  const auto renewal = decode_enrolment_request(
      encode(EnrolmentRequest{.what = EnrolmentRequest::What::kRenew, .csr = "x"}).str());
  REQUIRE(renewal.has_value());
  CHECK(renewal->what == EnrolmentRequest::What::kRenew);
  CHECK(decode_enrolment_request(R"({"v":1,"do":"authority"})").has_value());
}

TEST_CASE("what is no enrolment request is refused") {
  CHECK(refused("") == ErrorCode::kUsage);
  CHECK(refused("[]") == ErrorCode::kUsage);
  CHECK(refused(R"({"v":2,"do":"authority"})") == ErrorCode::kUsage);
  CHECK(refused(R"({"v":1,"do":"sign"})") == ErrorCode::kUsage);
  CHECK(refused(R"({"v":1,"do":7})") == ErrorCode::kUsage);
  CHECK(refused(R"({"v":1,"do":"renew"})") == ErrorCode::kUsage);
  CHECK(refused(R"({"v":1,"do":"enrol","csr":"x","token":"short"})") == ErrorCode::kUsage);
  EnrolmentRequest request = enrolling();
  request.csr = std::string(kLongestEnrolmentLine, 'x');
  CHECK(refused(encode(request).str()) == ErrorCode::kUsage);
}

TEST_CASE("enrolment answers, and the server's own errors") {
  const EnrolmentAnswer answer{.authority = "PEM",
                               .device = *DeviceId::parse("pc-1"),
                               .certificate = "CRT",
                               .servers = {"a:1", "b:2"}};
  const auto read = decode_enrolment_answer(encode(answer));
  REQUIRE(read.has_value());
  CHECK(read->authority == "PEM");
  CHECK(read->device == answer.device);
  CHECK(read->certificate == "CRT");
  CHECK(read->servers == answer.servers);
  const auto refusal = decode_enrolment_answer(
      encode_enrolment_error({ErrorCode::kDenied, "the token has been used", "ask for another"}));
  REQUIRE_FALSE(refusal.has_value());
  CHECK(refusal.error().code == ErrorCode::kDenied);
  CHECK(refusal.error().hint == "ask for another");
  for (const char* bad : {"", "{}", R"({"v":1})", R"({"v":1,"error":1})",
                          R"({"v":1,"authority":"P","device":"pc 1","certificate":"c"})",
                          R"({"v":1,"authority":"P","device":"pc-1","certificate":"c"})"}) {
    CAPTURE(bad);
    const auto none = decode_enrolment_answer(bad);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == ErrorCode::kFailed);
  }
}

}  // namespace kscpush
