// Verifies messages of webhooks: a JSON list of {secret, headers, body, genuine} on the input. Those of a secret by the library
// `standardwebhooks`, those of a public key, which it does not know, by the cryptography of Node.
// node verify.mjs PACKAGES

import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const packages = createRequire(`${process.argv[2]}/`);
const { Webhook } = packages('standardwebhooks');

// The public key of Ed25519, as a JSON Web Key has it.
const isSigned = ({ secret, headers, body }) => {
  const x = Buffer.from(secret.slice('whpk_'.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
  const signatures = headers['webhook-signature'].split(' ').filter((it) => it.startsWith('v1a,'));
  return signatures.some((it) => verify(null, signed, key, Buffer.from(it.slice('v1a,'.length), 'base64')));
};

for (const message of JSON.parse(readFileSync(0, 'utf8'))) {
  let genuine = false;
  try {
    if (message.secret.startsWith('whpk_')) genuine = isSigned(message);
    else genuine = new Webhook(message.secret).verify(message.body, message.headers).id === message.headers['webhook-id'];
  } catch (error) {
    if (error.name !== 'WebhookVerificationError') throw error;
  }
  if (genuine !== message.genuine) throw new Error(`genuine: ${genuine}: ${JSON.stringify(message)}`);
}
