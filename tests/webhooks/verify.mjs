// Verifies messages of webhooks by the library `standardwebhooks`: a JSON list of {secret, headers, body, genuine} on the input.
// node verify.mjs PACKAGES

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const packages = createRequire(`${process.argv[2]}/`);
const { Webhook } = packages('standardwebhooks');

for (const message of JSON.parse(readFileSync(0, 'utf8'))) {
  let genuine = false;
  try {
    genuine = new Webhook(message.secret).verify(message.body, message.headers).id === message.headers['webhook-id'];
  } catch (error) {
    if (error.name !== 'WebhookVerificationError') throw error;
  }
  if (genuine !== message.genuine) throw new Error(`genuine: ${genuine}: ${JSON.stringify(message)}`);
}
