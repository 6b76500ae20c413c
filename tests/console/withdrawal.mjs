// The page of a withdrawal as a customer uses it, in Chromium and without scripts, on a stack that runs. Every view is held
// against axe, wide and at 400 pixels, and its colours in light and dark.
// node tests/console/withdrawal.mjs NODE-MODULES CHROMIUM API-URL TASK [FOLDER-FOR-SCREENSHOTS]
// TASK is JSON: a token, as the address of the page will have one, an order that is shipped, and one to be placed, which takes a while
// until it is. In the end it prints the id of that.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { answered } from "./ask.mjs";
import { looker } from "./look.mjs";

const [packages, executablePath, url, json, screenshots] = process.argv.slice(2);
const task = JSON.parse(json);
const require = createRequire(`${packages}/`);
const { chromium } = require("playwright-core");

const PATIENCE_MS = 60_000;
const SIZES = [
  { width: 1280, height: 860 },
  { width: 400, height: 860 },
];

const profile = await mkdtemp(join(tmpdir(), "withdrawal-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"],
});
context.setDefaultTimeout(PATIENCE_MS);
const faults = [];

async function open(order, token) {
  const page = await context.newPage();
  if (token) await page.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !isAnswer) faults.push(message.text());
  });
  await page.goto(`${url}/orders/${order}/withdrawal`);
  return page;
}

const look = looker(require, { prefix: "withdrawal-", sizes: SIZES, screenshots });

async function heading(page, text) {
  const found = page.getByRole("heading", { level: 1, name: text });
  await found.waitFor().catch(async () => assert.fail(`no heading ${text} in ${await page.content()}`));
}

/// By keyboard: the one button of the page is the first thing that is reached.
async function press(page, label) {
  await page.getByRole("button", { name: label }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), label);
  await page.keyboard.press("Enter");
}

async function place() {
  const headers = { "content-type": "application/json", "idempotency-key": "withdrawal", authorization: `Bearer ${task.token}` };
  const placed = await answered(`${url}/orders`, { method: "POST", headers, body: JSON.stringify(task.order) });
  assert.equal(placed.status, 201, placed.text);
  return placed.json().orderId;
}

try {
  // It is being charged meanwhile: nobody looks at its pages before the end.
  task.open = await place();
  for (const [order, isLookedAt] of [["open", false], ["shipped", true]]) {
    const page = await open(task[order], task.token);
    const seen = async (name) => isLookedAt && (await look(page, `${order}-${name}`));
    await heading(page, "Withdraw from your contract");
    await seen("offer");
    await press(page, "Withdraw from contract here");
    await heading(page, "Confirm your withdrawal");
    await seen("review");
    await page.getByRole("link", { name: "Go back" }).click();
    await heading(page, "Withdraw from your contract");
    await press(page, "Withdraw from contract here");
    await press(page, "Confirm withdrawal");
    await heading(page, "We have received your withdrawal");
    await page.getByText(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} UTC$/).nth(1).waitFor();
    await look(page, `${order}-received`);
    assert.equal(await page.getByRole("button").count(), 0);
    await page.close();
  }
  for (const [name, order, token, text] of [
    ["unknown", "ord_0", task.token, "There is no such order"],
    ["nobody", task.open, "", "We cannot tell who you are"],
  ]) {
    const page = await open(order, token);
    await heading(page, text);
    await look(page, name);
    await page.close();
  }
  assert.deepEqual(faults, []);
  process.stdout.write(task.open);
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
