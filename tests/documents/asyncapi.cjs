// Verdict of the official parser of AsyncAPI on our document.
//
// node tests/documents/asyncapi.cjs FOLDER-OF-NODE_MODULES DOCUMENT

const { readFileSync } = require('node:fs');
const [folder, document] = process.argv.slice(2);
const { Parser } = require(require.resolve('@asyncapi/parser', { paths: [folder] }));

// It recommends the newest version of AsyncAPI, whatever the document needs.
const MEANT = ['asyncapi-latest-version'];

new Parser().parse(readFileSync(document, 'utf8'), { source: document }).then(({ document: parsed, diagnostics }) => {
  const found = diagnostics.filter(({ code }) => !MEANT.includes(code));
  for (const { code, path, message } of found) {
    console.error(`${path.join('/')}: ${message} (${code})`);
  }
  if (found.length > 0 || !parsed) {
    process.exit(1);
  }
  const count = (name) => parsed[name]().all().length;
  console.log(`${count('channels')} channels, ${count('operations')} operations, ${count('messages')} messages`);
});
