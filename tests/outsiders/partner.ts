// A partner who pulls, in TypeScript: follows the feed of events from where it was when it ended the last time.
//
// It is written from shared/events/openapi.json alone, of which openapi-typescript has made the types in api.d.ts. It reads one
// page, prints each event, keeps the cursor in a file, and ends: whoever starts it again and again is told of everything once.
// node partner.js API-URL TOKEN CURSOR-FILE PATTERN
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Page = components["schemas"]["EventPage"];
type Query = NonNullable<paths["/events"]["get"]["parameters"]["query"]>;

const [baseUrl, token, file, match] = process.argv.slice(2);
if (!baseUrl || !token || !file || !match) throw new Error("API-URL TOKEN CURSOR-FILE PATTERN");
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

/** Reads a page, again where the API says that another attempt may help. */
async function page(query: Query): Promise<Page> {
  for (;;) {
    const { data, error, response } = await client.GET("/events", { params: { query } });
    if (data) return data;
    if (response.status !== 429 && response.status < 500) throw new Error(`${error?.title}: ${error?.detail}`);
    await setTimeout(1_000 * Number(response.headers.get("retry-after") ?? "1"));
  }
}

const query: Query = { limit: 3, match };
if (existsSync(file)) query.after = readFileSync(file, "utf8");
const { events, next } = await page(query);
for (const event of events) console.log(JSON.stringify(event));
// Once what is printed is out, and whole or not at all.
writeFileSync(`${file}.new`, next);
renameSync(`${file}.new`, file);
