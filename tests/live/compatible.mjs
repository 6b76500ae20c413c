// Holds the schema of GraphQL against the one that was released last: what would break somebody who has built on that fails. Called by
// .ci/run:
//
//   node compatible.mjs PACKAGES [--release]
//
// With `--release` the schema is the released one from then on, whatever it breaks.

import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [, , packages, wish] = process.argv;
const require = createRequire(`${packages}/`);
const { buildSchema } = require('graphql');
const { diff, CriticalityLevel } = require('@graphql-inspector/core');

const at = (path) => new URL(path, import.meta.url);
const [released, present] = [at('released.graphql'), at('../../shared/events/schema.graphql')];

/// What has changed, as texts, by how much it hurts.
async function changes(before, after) {
  const found = await diff(buildSchema(before), buildSchema(after));
  const of = (level) => found.filter(({ criticality }) => criticality.level === level).map(({ message }) => message);
  return { breaking: of(CriticalityLevel.Breaking), dangerous: of(CriticalityLevel.Dangerous) };
}

if (wish === '--release') {
  copyFileSync(present, released);
} else {
  const [before, after] = [released, present].map((file) => readFileSync(file, 'utf8'));

  // What finds nothing has to find this.
  const broken = after.replace('\tsequence: Int!\n', '\tsequence: Int\n');
  assert.notEqual(broken, after);
  const { breaking: found } = await changes(after, broken);
  assert.deepEqual(found, ["Field 'OrderUpdate.sequence' changed type from 'Int!' to 'Int'"]);

  const { breaking, dangerous } = await changes(before, after);
  for (const message of dangerous) process.stdout.write(`may break somebody: ${message}\n`);
  for (const message of breaking) process.stderr.write(`breaks somebody: ${message}\n`);
  if (breaking.length > 0) {
    process.stderr.write('Add what is new beside what is there, and mark that as deprecated; or release the schema with --release.\n');
  }
  process.exit(breaking.length === 0 ? 0 : 1);
}
