// An issuer of tokens: `oauth2-mock-server`, whose newest key signs. Each line on standard input lets it have one more.
// node tests/outsiders/issuer.mjs NODE-MODULES PORT
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [packages, port] = process.argv.slice(2);
const { OAuth2Server } = await import(pathToFileURL(`${packages}/oauth2-mock-server/dist/index.mjs`));
const server = new OAuth2Server();
let key = await server.issuer.keys.generate("ES256");
// Of several it would take one after the other.
const buildToken = server.issuer.buildToken.bind(server.issuer);
server.issuer.buildToken = (options) => buildToken({ ...options, kid: key.kid });
// A program is the subject of its own tokens (RFC 9068), which it leaves out.
server.service.on("beforeTokenSigning", ({ payload }, request) => {
  payload.sub ??= request.body.client_id;
});
await server.start(Number(port), "127.0.0.1");
for await (const _ of createInterface({ input: process.stdin })) {
  key = await server.issuer.keys.generate("ES256");
  console.log("rotated");
}
await server.stop();
