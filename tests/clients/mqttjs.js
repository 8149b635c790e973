// A device on MQTT.js, with a session that lasts.
'use strict';
const fs = require('fs');
const mqtt = require('mqtt');
const device = require('./device.js');

const client = mqtt.connect({
  protocol: 'mqtts',
  host: 'localhost',
  port: device.port,
  ca: fs.readFileSync(device.authority),
  cert: fs.readFileSync(device.certificate),
  key: fs.readFileSync(device.key),
  clientId: device.id,
  protocolVersion: device.version,
  clean: false,
  reconnectPeriod: 200,
  ...(device.version === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
});
client.on('connect', () => {
  device.say('connected');
  client.subscribe(device.inbox, { qos: 1 }, (error, granted) => {
    device.say(error ? `cannot subscribe: ${error}` : `subscribed ${granted.map((g) => g.qos)}`);
  });
});
client.on('message', (topic, payload) => {
  device.say(`push ${payload}`);
  client.publish(device.up, device.completed(payload), { qos: 1 });
});
client.on('error', (error) => device.say(`error ${error}`));
