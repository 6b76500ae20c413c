// Holds the endpoint of GraphQL against the audits of graphql-http, which are those of the specification of GraphQL over HTTP. Called
// by tests/end_to_end/live.rs:
//
//   node audits.mjs PACKAGES URL TOKEN
//
// What the specification demands must hold. What it recommends and is not done is printed: queries by GET, for one.

import { createRequire } from 'node:module';

const [, , packages, url, token] = process.argv;
const { serverAudits } = createRequire(`${packages}/`)('graphql-http');

const fetchFn = (target, options = {}) =>
  fetch(target, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });

const counts = {};
const broken = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  counts[result.status] = (counts[result.status] ?? 0) + 1;
  if (result.status !== 'ok') process.stdout.write(`${result.status}: ${audit.name}: ${result.reason}\n`);
  if (result.status === 'error') broken.push(audit.name);
}
process.stdout.write(`${JSON.stringify(counts)}\n`);
process.exit(broken.length === 0 ? 0 : 1);
