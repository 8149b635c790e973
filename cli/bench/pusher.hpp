// Where pushes come from: the admin API of a push server, or a publisher at another broker.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cli/bench/http_client.hpp"
#include "cli/bench/tls_client.hpp"
#include "core/mqtt/codec.hpp"

namespace kscpush::cli::bench {

class Pusher {
 public:
  virtual ~Pusher() = default;
  // Whether another push may be under way now.
  [[nodiscard]] virtual bool has_room() const = 0;
  // Only when there is room. N is the caller's.
  virtual void push(std::size_t n, const std::string& device) = 0;

  // Called when there is room again, and when pushes were refused: N, why.
  std::function<void()> on_room = [] {};
  std::function<void(std::size_t n, const std::string& why)> on_refused = [](std::size_t,
                                                                             const std::string&) {};
};

// POST /v1/devices/ID/pushes (KIND "sync": stored, then sent) or /ping (KIND "ping": sent only).
class ApiPusher final : public Pusher {
 public:
  ApiPusher(Loop& loop, const Target& api, const Secret& token, std::string kind,
            std::size_t in_flight);
  [[nodiscard]] bool has_room() const override { return client_.has_room(); }
  void push(std::size_t n, const std::string& device) override;

 private:
  void answered(std::size_t n, int status, const std::string& body);

  const std::string kind_;
  HttpClient client_;
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

  [[nodiscard]] bool has_room() const override { return ready_ && under_way_.size() < window_; }
  // Goes out at the end of the loop's turn at the latest, with others.
  void push(std::size_t n, const std::string& device) override;

  void on_event(std::uint64_t tag, std::uint32_t events) override;
  void on_tick(MonoTime now) override;

 private:
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
