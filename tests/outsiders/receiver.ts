// A partner who is pushed to, in TypeScript: registers a webhook, and takes what is posted to it, once it is verified.
//
// It is written from shared/events/openapi.json alone, of which openapi-typescript has made the types in api.d.ts, and verifies by
// the library of Standard Webhooks. It prints each event that it was not sent before, and ends with its input.
// node receiver.js API-URL TOKEN PATTERN
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import createClient from "openapi-fetch";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import type { components, paths } from "./api.js";

type NewWebhook = components["schemas"]["NewWebhook"];

const [baseUrl, token, pattern] = process.argv.slice(2);
if (!baseUrl || !token || !pattern) throw new Error("API-URL TOKEN PATTERN");
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const seen = new Set<string>();
let verifier: Webhook | undefined;

const server = createServer(async (request, response) => {
  const body = await text(request);
  const header = (name: string) => String(request.headers[name] ?? "");
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  try {
    const event = verifier?.verify(body, Object.fromEntries(names.map((name) => [name, header(name)])));
    if (event === undefined) throw new WebhookVerificationError("nobody knows the secret yet");
    // Delivered at least once: the id tells a repetition.
    if (!seen.has(header("webhook-id"))) console.log(JSON.stringify(event));
    seen.add(header("webhook-id"));
    response.writeHead(204).end();
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    response.writeHead(401).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const body: NewWebhook = { url: `http://127.0.0.1:${port}/orderflow`, match: JSON.parse(pattern) };
const made = await client.POST("/webhooks", { body });
if (!made.data?.secret) throw new Error(`${made.error?.title}: ${made.error?.detail}`);
verifier = new Webhook(made.data.secret);
// Whatever is posted without its signature is refused.
const forged = await fetch(body.url, { method: "POST", body: "{}" });
if (forged.status !== 401) throw new Error("a forgery is taken");
console.log("registered");

process.stdin.resume();
await once(process.stdin, "end");
const gone = await client.DELETE("/webhooks/{webhookId}", { params: { path: { webhookId: made.data.id } } });
if (!gone.response.ok) throw new Error(`${gone.error?.title}: ${gone.error?.detail}`);
server.close();
server.closeAllConnections();
