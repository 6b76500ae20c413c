// Watches the events that match a pattern, and has its socket cut after each. Called by tests/end_to_end/live.rs:
//
//   node events.mjs PACKAGES URL TASK
//
// TASK is JSON: a token, a pattern, and the types of events that are waited for. In the end it prints what it was told.

import { createRequire } from 'node:module';

const [, , packages, url, task] = process.argv;
const { token, match, until } = JSON.parse(task);
const require = createRequire(`${packages}/`);
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');

let socket;
class Observed extends WebSocket {
  constructor(...options) {
    super(...options);
    socket = this;
  }
}

// A client that has met an error takes the end of its old socket for that of the next.
const connect = () =>
  createClient({
    url,
    connectionParams: { token },
    webSocketImpl: Observed,
    retryAttempts: Infinity,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
  });

const query = 'subscription ($match: JSON, $after: String) { events(match: $match, after: $after) { cursor type subject } }';
const variables = { match, after: null };
const told = [];
let isAtEnd = false;
const watch = () =>
  connect().subscribe({ query, variables }, {
    next: ({ data, errors }) => {
      if (errors) throw new Error(JSON.stringify(errors));
      variables.after = data.events.cursor;
      told.push(data.events);
      socket.terminate();
      // What is told twice would come a moment later.
      if (until.every((type) => told.some((event) => event.type === type)) && !isAtEnd) {
        isAtEnd = true;
        setTimeout(finish, 2_000);
      }
    },
    error: (error) => {
      if (Array.isArray(error)) throw new Error(JSON.stringify(error));
      setTimeout(watch, 50);
    },
    complete: () => {},
  });
watch();

function finish() {
  process.stdout.write(JSON.stringify(told));
  process.exit(0);
}
