// Verifies messages of webhooks: a JSON list of {secret, headers, body, genuine} on the input. Those of a secret by the libraries
// `standardwebhooks` and `svix`, those of a public key, which they do not know, by the cryptography of Node.
// node verify.mjs PACKAGES

import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const packages = createRequire(`${process.argv[2]}/`);
const { Webhook } = packages('standardwebhooks');
const { Webhook: OfSvix } = await import(packages.resolve('svix'));

// The public key of Ed25519, as a JSON Web Key has it.
const isSigned = ({ secret, headers, body }) => {
  const x = Buffer.from(secret.slice('whpk_'.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
  const signatures = headers['webhook-signature'].split(' ').filter((it) => it.startsWith('v1a,'));
  return signatures.some((it) => verify(null, signed, key, Buffer.from(it.slice('v1a,'.length), 'base64')));
};

const isTaken = (check) => {
  try {
    return check();
  } catch (error) {
    if (error.name !== 'WebhookVerificationError') throw error;
    return false;
  }
};

const checks = {
  standardwebhooks: ({ secret, headers, body }) => new Webhook(secret).verify(body, headers).id === headers['webhook-id'],
  // It gives nothing back, and throws at a forgery.
  svix: ({ secret, headers, body }) => new OfSvix(secret).verify(body, headers) === undefined,
};

for (const message of JSON.parse(readFileSync(0, 'utf8'))) {
  for (const [name, check] of Object.entries(message.secret.startsWith('whpk_') ? { node: isSigned } : checks)) {
    const genuine = isTaken(() => check(message));
    if (genuine !== message.genuine) throw new Error(`genuine: ${genuine}, by ${name}: ${JSON.stringify(message)}`);
  }
}
