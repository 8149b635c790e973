// Where pushes come from: the admin API of a push server, or a publisher at another broker.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/bench/http_client.hpp"
#include "cli/bench/tls_client.hpp"
#include "core/mqtt/codec.hpp"

namespace kscpush::cli::bench {

// A push to one device; N is the caller's.
struct Addressee {
  std::size_t n = 0;
  std::string device;
};

class Pusher {
 public:
  virtual ~Pusher() = default;
  // How many further pushes may be under way now.
  [[nodiscard]] virtual std::size_t room() const = 0;
  // At most as many as there is room for; in one request, where there is one for many.
  virtual void push(std::vector<Addressee> batch) = 0;

  // Called when there is room again, and when pushes were refused: N, why.
  std::function<void()> on_room = [] {};
  std::function<void(std::size_t n, const std::string& why)> on_refused = [](std::size_t,
                                                                             const std::string&) {};
};

struct ApiPusherOptions {
  Target target;
  Secret token;
  std::string kind;           // "sync": stored, then sent; "ping": sent only
  std::size_t batch = 100;    // devices in a request; 1: the route of one device
  std::size_t requests = 64;  // under way
};

class ApiPusher final : public Pusher {
 public:
  ApiPusher(Loop& loop, ApiPusherOptions options);
  [[nodiscard]] std::size_t room() const override {
    return client_.has_room() ? options_.batch : 0;
  }
  void push(std::vector<Addressee> batch) override;

 private:
  void answered(std::uint64_t tag, int status, const std::string& body);

  const ApiPusherOptions options_;
  HttpClient client_;
  std::uint64_t last_tag_ = 0;
  std::unordered_map<std::uint64_t, std::vector<Addressee>> under_way_;
};

struct PublisherOptions {
  Target target;
  std::string id;
  std::string topic;  // {id} stands for the device's id
  mqtt::Version version = mqtt::Version::kV5;
  std::string username;
  std::string password;
  std::size_t in_flight = 64;
  std::size_t payload_bytes = 100;
};

// One MQTT client that publishes at QoS 1.
class MqttPusher final : public Pusher, public LoopHandler {
 public:
  // TLS null: plain.
  MqttPusher(Loop& loop, PublisherOptions options, const TlsClient* tls);
  ~MqttPusher() override;
  // Connects, waiting. kUnreachable, kDenied.
  [[nodiscard]] Status open();

  [[nodiscard]] std::size_t room() const override {
    return ready_ && under_way_.size() < window_ ? window_ - under_way_.size() : 0;
  }
  // Goes out at the end of the loop's turn at the latest, with others.
  void push(std::vector<Addressee> batch) override;

  void on_event(std::uint64_t tag, std::uint32_t events) override;
  void on_tick(MonoTime now) override;

 private:
  void publish(const Addressee& to);
  void read();
  void handle(const mqtt::Frame& frame);
  void flush();
  void lost(const std::string& why);

  Loop& loop_;
  const PublisherOptions options_;
  const TlsClient* const tls_;
  Channel channel_;
  bool connected_ = false;
  bool ready_ = false;
  std::size_t window_ = 0;
  std::uint16_t last_id_ = 0;
  std::map<std::uint16_t, std::size_t> under_way_;
  std::string in_;
  std::string out_;
  std::string failure_;
  const std::string payload_;
};

}  // namespace kscpush::cli::bench
