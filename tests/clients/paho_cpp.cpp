// A device on Eclipse Paho C++, with a session that lasts.
#include <mqtt/async_client.h>
#include <unistd.h>

#include "device.hpp"

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const Device device(argv);
  const bool v5 = device.version == MQTTVERSION_5;
  mqtt::async_client client(device.uri, device.id, mqtt::create_options(device.version));

  mqtt::ssl_options tls;
  tls.set_trust_store(device.authority);
  tls.set_key_store(device.certificate);
  tls.set_private_key(device.key);
  tls.set_verify(true);
  mqtt::connect_options options;
  options.set_mqtt_version(device.version);
  if (v5) {
    options.set_clean_start(false);
    options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, 3600}});
  } else {
    options.set_clean_session(false);
  }
  options.set_automatic_reconnect(std::chrono::seconds(1), std::chrono::seconds(2));
  options.set_ssl(tls);

  struct Subscribed : mqtt::iaction_listener {
    void on_success(const mqtt::token&) override { say("subscribed"); }
    void on_failure(const mqtt::token&) override { say("cannot subscribe"); }
  } subscribed;
  client.set_connected_handler([&](const std::string&) {
    say("connected");
    client.subscribe(device.inbox, 1, nullptr, subscribed);
  });
  client.set_message_callback([&](const mqtt::const_message_ptr& message) {
    const std::string push = message->to_string();
    say("push " + push);
    client.publish(mqtt::make_message(device.up, completed(push), 1, false));
  });
  client.connect(options)->wait();
  for (;;) pause();
}
