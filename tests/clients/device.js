// What the two programs share: their command line, and the words they print.
'use strict';
const [port, authority, certificate, key, id, version] = process.argv.slice(2);

module.exports = {
  port: Number(port), authority, certificate, key, id, version: Number(version),
  inbox: `ksc/v1/devices/${id}/push`,
  up: `ksc/v1/devices/${id}/up/result`,
  say: (line) => process.stdout.write(`${line}\n`),
  completed: (push) => JSON.stringify({ id: JSON.parse(push).id, status: 'completed' }),
};
