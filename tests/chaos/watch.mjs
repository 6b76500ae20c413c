// Watches orders, the events of all and the board with the client that its authors publish, while functions are killed and calls fail,
// and cuts its own sockets at random. Called by tests/chaos/src/watchers.rs:
//
//   node watch.mjs PACKAGES URL TOKEN
//
// Each line of standard input is the id of an order that is to be watched from its beginning, or `calm`: from then on no socket is cut.
// When the input ends it prints what it was told. Each order has a socket of its own.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , packages, url, token] = process.argv;
const require = createRequire(`${packages}/`);
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');

/// Longest pause between two cuts, and of a client before it comes back.
const CUT_MS = 1_000;
const BACK_MS = 200;

const ORDER = 'subscription ($id: ID!, $after: Int) { order(id: $id, after: $after) { sequence } }';
const EVENTS = 'subscription ($after: String) { events(after: $after) { cursor id source } }';
const TALLY = 'at currency created createdAmount paid paidAmount refunded refundedAmount shipped cancelled';
const BOARD = `subscription { board { at minutes { ${TALLY} } hours { ${TALLY} } letters { service count } } }`;

const sockets = new Set();
class Observed extends WebSocket {
  constructor(...options) {
    super(...options);
    sockets.add(this);
    this.on('close', () => sockets.delete(this));
  }
}

const told = { orders: {}, events: [], boards: 0, board: null, errors: [], connections: 0, cuts: 0 };
let isCalm = false;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const connect = () =>
  createClient({
    url,
    connectionParams: { token },
    webSocketImpl: Observed,
    retryAttempts: Infinity,
    retryWait: () => pause(Math.random() * BACK_MS),
    on: { connected: () => (told.connections += 1) },
  });

/// Watches by a client of its own, and by another after an error that the first does not get over: its socket may take a while to close,
/// and it would take that for the end of the next. What the variables say at each attempt is where it goes on; `isEarly` tells errors
/// that pass.
function watch(query, variables, take, isEarly = () => false) {
  const begin = () =>
    connect().subscribe({ query, variables }, {
      next: ({ data, errors }) => (errors ? told.errors.push(...errors) : take(data)),
      error: (error) => {
        // Errors of GraphQL are the last word, unless they pass. What a function said that died is not of the protocol.
        if (Array.isArray(error) && !isEarly(error)) told.errors.push(...error);
        else setTimeout(begin, Math.random() * BACK_MS);
      },
      complete: () => {},
    });
  begin();
}

function watchOrder(id) {
  const variables = { id, after: 0 };
  told.orders[id] = [];
  const take = ({ order }) => {
    variables.after = order.sequence;
    told.orders[id].push(order.sequence);
  };
  // An order of another producer is not there at once.
  watch(ORDER, variables, take, ([{ extensions }]) => told.orders[id].length === 0 && extensions?.code === 'NOT_FOUND');
}

const position = { after: null };
watch(EVENTS, position, ({ events: { cursor, id, source } }) => {
  position.after = cursor;
  told.events.push(`${source} ${id}`);
});
watch(BOARD, {}, ({ board }) => {
  told.boards += 1;
  told.board = board;
});

async function cut() {
  while (!isCalm) {
    await pause(Math.random() * CUT_MS);
    const socket = [...sockets][Math.floor(Math.random() * sockets.size)];
    if (!isCalm && socket) {
      socket.terminate();
      told.cuts += 1;
    }
  }
}
cut();

createInterface({ input: process.stdin })
  .on('line', (line) => (line === 'calm' ? (isCalm = true) : watchOrder(line)))
  .on('close', () => process.stdout.write(JSON.stringify(told), () => process.exit(0)));
