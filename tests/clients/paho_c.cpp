// A device on Eclipse Paho C. It subscribes once: as Paho's own sample it reconnects with a clean
// session and leaves it at that.
#include <MQTTAsync.h>
#include <unistd.h>

#include "device.hpp"

namespace {

MQTTAsync client = nullptr;
const Device* device = nullptr;
bool asked_to_subscribe = false;

void on_subscribed(void* /*context*/, MQTTAsync_successData* /*data*/) {
  say("subscribed");
}
void on_subscribed5(void* /*context*/, MQTTAsync_successData5* /*data*/) {
  say("subscribed");
}

void on_connected(void* /*context*/, char* /*cause*/) {
  say("connected");
  if (asked_to_subscribe) return;
  asked_to_subscribe = true;
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  if (device->version == MQTTVERSION_5) {
    options.onSuccess5 = on_subscribed5;
  } else {
    options.onSuccess = on_subscribed;
  }
  if (MQTTAsync_subscribe(client, device->inbox.c_str(), 1, &options) != MQTTASYNC_SUCCESS) {
    say("cannot subscribe");
  }
}

int on_push(void* /*context*/, char* topic, int /*length*/, MQTTAsync_message* message) {
  const std::string push(static_cast<const char*>(message->payload),
                         static_cast<std::size_t>(message->payloadlen));
  say("push " + push);
  const std::string answer = completed(push);
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  MQTTAsync_send(client, device->up.c_str(), static_cast<int>(answer.size()), answer.data(), 1, 0,
                 &options);
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

void on_failure(void* /*context*/, MQTTAsync_failureData* /*data*/) {
  say("cannot connect");
}
void on_failure5(void* /*context*/, MQTTAsync_failureData5* /*data*/) {
  say("cannot connect");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const Device self(argv);
  device = &self;
  const bool v5 = self.version == MQTTVERSION_5;

  MQTTAsync_createOptions create = v5 ? MQTTAsync_createOptions MQTTAsync_createOptions_initializer5
                                      : MQTTAsync_createOptions MQTTAsync_createOptions_initializer;
  create.MQTTVersion = self.version;
  if (MQTTAsync_createWithOptions(&client, self.uri.c_str(), self.id.c_str(),
                                  MQTTCLIENT_PERSISTENCE_NONE, nullptr,
                                  &create) != MQTTASYNC_SUCCESS) {
    return 1;
  }
  MQTTAsync_setCallbacks(client, nullptr, nullptr, on_push, nullptr);
  MQTTAsync_setConnected(client, nullptr, on_connected);

  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  tls.trustStore = self.authority.c_str();
  tls.keyStore = self.certificate.c_str();
  tls.privateKey = self.key.c_str();
  tls.verify = 1;
  MQTTAsync_connectOptions connect =
      v5 ? MQTTAsync_connectOptions MQTTAsync_connectOptions_initializer5
         : MQTTAsync_connectOptions MQTTAsync_connectOptions_initializer;
  connect.MQTTVersion = self.version;
  connect.automaticReconnect = 1;
  connect.minRetryInterval = 1;
  connect.maxRetryInterval = 2;
  connect.ssl = &tls;
  if (v5) {
    connect.onFailure5 = on_failure5;
  } else {
    connect.onFailure = on_failure;
  }
  if (MQTTAsync_connect(client, &connect) != MQTTASYNC_SUCCESS) return 1;
  for (;;) pause();
}
