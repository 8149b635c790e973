// A device on the AWS Common Runtime: its client for MQTT 3.1.1, and the other one for MQTT 5.
'use strict';
const { io, mqtt, mqtt5 } = require('aws-crt');
const device = require('./device.js');

const options = io.TlsContextOptions.create_client_with_mtls_from_path(
  device.certificate, device.key);
options.override_default_trust_store_from_path(undefined, device.authority);
const tls = new io.ClientTlsContext(options);
const text = (payload) => Buffer.from(payload).toString();

function startV311() {
  const connection = new mqtt.MqttClient().new_connection({
    host_name: 'localhost',
    port: device.port,
    client_id: device.id,
    clean_session: false,
    keep_alive_sec: 30,
    ping_timeout_ms: 3000,
    reconnect_min_sec: 1,
    reconnect_max_sec: 2,
    socket_options: new io.SocketOptions(),
    tls_ctx: tls,
  });
  connection.on('resume', () => device.say('connected'));
  connection.on('error', (error) => device.say(`error ${error}`));
  connection.connect().then(() => {
    device.say('connected');
    return connection.subscribe(device.inbox, mqtt.QoS.AtLeastOnce, (topic, payload) => {
      device.say(`push ${text(payload)}`);
      connection.publish(device.up, device.completed(text(payload)), mqtt.QoS.AtLeastOnce);
    });
  }).then((granted) => device.say(`subscribed ${granted.qos}`),
    (error) => device.say(`error ${error}`));
}

function startV5() {
  const client = new mqtt5.Mqtt5Client({
    hostName: 'localhost',
    port: device.port,
    tlsCtx: tls,
    connectProperties: {
      keepAliveIntervalSeconds: 30,
      clientId: device.id,
      sessionExpiryIntervalSeconds: 3600,
    },
    sessionBehavior: mqtt5.ClientSessionBehavior.RejoinAlways,
    minReconnectDelayMs: 200,
    maxReconnectDelayMs: 1000,
  });
  client.on('connectionSuccess', () => {
    device.say('connected');
    client.subscribe({ subscriptions: [{ topicFilter: device.inbox, qos: mqtt5.QoS.AtLeastOnce }] })
      .then((suback) => device.say(`subscribed ${suback.reasonCodes}`),
        (error) => device.say(`error ${error}`));
  });
  client.on('messageReceived', ({ message }) => {
    device.say(`push ${text(message.payload)}`);
    client.publish({
      topicName: device.up,
      qos: mqtt5.QoS.AtLeastOnce,
      payload: device.completed(text(message.payload)),
    });
  });
  client.on('connectionFailure', ({ error }) => device.say(`error ${error}`));
  client.start();
}

if (device.version === 5) startV5(); else startV311();
