// Watches orders with the client that its authors publish, and has its sockets cut. Called by tests/end_to_end/live.rs:
//
//   node watch.mjs PACKAGES URL TASK
//
// TASK is JSON: what the client says of itself, how often its socket is cut, and after how many updates an order has come to its end. The
// ids of orders come on standard input, one a line, as they are placed. In the end it prints what it was told of each.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , packages, url, task] = process.argv;
const { credentials, cuts, updates } = JSON.parse(task);
const require = createRequire(`${packages}/`);
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');

const QUERY = `subscription ($id: ID!, $after: Int) {
  order(id: $id, after: $after) { sequence type time order { id status timeline { id } } }
}`;

const sockets = new Set();
class Observed extends WebSocket {
  constructor(...options) {
    super(...options);
    sockets.add(this);
    this.on('close', () => sockets.delete(this));
  }
}

let connections = 0;
const connect = () =>
  createClient({
    url,
    connectionParams: credentials,
    webSocketImpl: Observed,
    retryAttempts: Infinity,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 80)),
    on: { connected: () => (connections += 1) },
  });
/// The client of all subscriptions, until it meets an error that it does not get over: it would take the end of its old socket for that of
/// the next.
let client = connect();

const told = {};
const open = new Set();
let hasAll = false;
let cut = 0;
const latencies = [];

function watch(id) {
  open.add(id);
  told[id] = { sequences: [], types: [], statuses: [], times: [], heardAt: [], errors: [] };
  // The same object at each attempt: so the client itself comes back with the last sequence.
  const variables = { id, after: 0 };
  let end = () => {};
  // What is told twice would come a moment later.
  const finish = () => setTimeout(() => (end(), open.delete(id)), 2_000);
  const begin = () => {
    const own = client;
    end = own.subscribe({ query: QUERY, variables }, {
      next: ({ data, errors }) => {
        if (errors) return told[id].errors.push(...errors);
        const { sequence, type, time, order } = data.order;
        variables.after = sequence;
        told[id].sequences.push(sequence);
        told[id].types.push(type);
        told[id].statuses.push(order.status);
        told[id].times.push(Date.parse(time));
        told[id].heardAt.push(Date.now());
        if (order.timeline.length < sequence) told[id].errors.push('an order is older than its update');
        latencies.push(Date.now() - Date.parse(time));
        if (told[id].sequences.length === updates) finish();
      },
      error: (error) => {
        // Errors of GraphQL are the last word. What a function said that died is not of the protocol.
        if (Array.isArray(error)) {
          told[id].errors.push(...error);
          finish();
        } else {
          if (client === own) client = connect();
          setTimeout(begin, 50);
        }
      },
      complete: () => {},
    });
  };
  begin();
}

createInterface({ input: process.stdin }).on('line', watch).on('close', () => (hasAll = true));

function next() {
  if (hasAll && open.size === 0 && cut >= cuts) return finish();
  if (cut < cuts) {
    for (const socket of sockets) {
      socket.terminate();
      cut += 1;
    }
  }
  setTimeout(next, cut < cuts ? 30 + Math.random() * 370 : 50);
}

async function finish() {
  await client.dispose();
  latencies.sort((one, other) => one - other);
  const [p50, p99] = [0.5, 0.99].map((share) => latencies[Math.floor(share * (latencies.length - 1))]);
  process.stdout.write(JSON.stringify({ told, connections, cut, p50, p99 }));
  process.exit(0);
}

setTimeout(next, 300);
