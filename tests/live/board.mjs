// Watches the board until a SKU is on it, and a letter of a service. Called by tests/end_to_end/live.rs:
//
//   node board.mjs PACKAGES URL TASK
//
// TASK is JSON: a token, the SKU, and the service. In the end it prints the boards that it was told: the time of each, its SKUs and letters.

import { createRequire } from 'node:module';

const [, , packages, url, task] = process.argv;
const { token, sku, service } = JSON.parse(task);
const require = createRequire(`${packages}/`);
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');

// A client that has met an error takes the end of its old socket for that of the next.
const connect = () => createClient({ url, connectionParams: { token }, webSocketImpl: WebSocket, retryAttempts: Infinity });

const query = 'subscription { board { at minutes { created } skus { sku pieces amount } letters { service count oldest } } }';
const told = [];
const watch = () =>
  connect().subscribe({ query }, {
    next: ({ data, errors }) => {
      if (errors) throw new Error(JSON.stringify(errors));
      told.push(data.board);
      process.stderr.write(`${told.length} boards\n`);
      const { skus, letters } = data.board;
      if (!skus.some((sold) => sold.sku === sku) || !letters.some((open) => open.service === service)) return;
      process.stdout.write(JSON.stringify(told));
      process.exit(0);
    },
    error: (error) => {
      if (Array.isArray(error)) throw new Error(JSON.stringify(error));
      setTimeout(watch, 50);
    },
    complete: () => {},
  });
watch();
