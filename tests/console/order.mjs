// The page of an order as a customer uses it, in Chromium, on a stack that runs: with scripts and without, offline and back,
// in two tabs, and asleep. Every view is held against axe, wide and at 360 pixels, and its colours in light and dark.
// node tests/console/order.mjs NODE-MODULES CHROMIUM API-URL TASK [FOLDER-FOR-SCREENSHOTS]
// TASK is JSON: a token that may place orders, one that does not count, and the order to place.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

import { answered } from "./ask.mjs";
import { looker } from "./look.mjs";

const [packages, executablePath, url, json, screenshots] = process.argv.slice(2);
const task = JSON.parse(json);
const require = createRequire(`${packages}/`);
const { chromium } = require("playwright-core");

const PATIENCE_MS = 60_000;
const MAX_BYTES = 30_000;
const SIZES = [
  { width: 1280, height: 900 },
  { width: 360, height: 900 },
];

const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
const context = await browser.newContext();
const plain = await browser.newContext({ javaScriptEnabled: false });
const faults = [];

async function open(address, where = context) {
  const page = await where.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // What is refused on purpose, and what is asked for offline; and a page that is hidden before its socket is open.
    const isAnswer = /^Failed to load resource|closed before the connection is established/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isAnswer) faults.push(message.text());
  });
  await page.goto(address);
  return page;
}

/// Places an order that takes a while to be paid and a while to be booked; of a guest without a token. Its id and its link.
async function place(key, { isGuest = false, isQuick = false } = {}) {
  const order = structuredClone(task.order);
  if (isGuest) delete order.customer.id;
  if (!isQuick) order.shippingAddress.postalCode = "SIM-UNAVAILABLE-9";
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  if (!isGuest) headers.Authorization = `Bearer ${task.token}`;
  const answer = await answered(`${url}/orders`, { method: "POST", headers, body: JSON.stringify(order) });
  assert.equal(answer.status, 201, answer.text);
  const placed = answer.json();
  const link = placed.links && `${url}${new URL(placed.links.order).pathname}${new URL(placed.links.order).search}`;
  return { id: placed.orderId, link };
}

/// What is to be tried takes an order that has not left, and it has.
class HasLeft extends Error {
  message = "the order has left";
}

/// Tries something with an order, and with another one where it has left too soon: it takes some twenty seconds, which are soon over on a
/// machine that has much to do.
async function beforeItLeaves(key, use, isGuest = true) {
  for (let number = 1; ; number += 1) {
    const order = await place(`${key}-${number}`, { isGuest });
    try {
      return await use(order);
    } catch (error) {
      if (!(error instanceof HasLeft) || number === 5 || (await statusOf(order)) !== "shipped") throw error;
      await context.setOffline(false);
      for (const page of [...context.pages(), ...plain.pages()]) await page.close();
    }
  }
}

async function statusOf({ id, link }) {
  const headers = link ? { Accept: "application/json" } : { Accept: "application/json", Authorization: `Bearer ${task.token}` };
  return (await answered(link ?? `${url}/orders/${id}`, { headers })).json().status;
}

async function cancel(link) {
  const { status, text } = await answered(link.replace("?", "/cancel?"), { method: "POST" });
  if (status === 409) throw new HasLeft();
  assert.equal(status, 202, text);
}

/// Heading of an order that has not left.
const ON_ITS_WAY = /^(We have your order|Your goods are set aside|Your order is paid)$/;

const signedIn = (order) => `${url}/orders/${order}#token=${task.token}`;

async function heading(page, text) {
  const found = page.getByRole("heading", { level: 1, name: text });
  await found.waitFor().catch(async () => assert.fail(`no heading ${text} in ${await page.content()}`));
}

const LEFT = "Your order is on its way";

const hasLeft = (page) => page.getByRole("heading", { level: 1, name: LEFT }).isVisible();

/// Uses a page of an order that has not left.
async function unlessItLeaves(page, use) {
  await use().catch(async (error) => {
    throw (await hasLeft(page)) ? new HasLeft() : error;
  });
}

/// Waits for that heading, of an order that has not left.
async function headingBefore(page, text) {
  const either = page.getByRole("heading", { level: 1, name: text }).or(page.getByRole("heading", { level: 1, name: LEFT }));
  await either.waitFor().catch(async () => assert.fail(`no heading ${text} in ${await page.content()}`));
  if (await hasLeft(page)) throw new HasLeft();
}

const look = looker(require, { prefix: "order-", sizes: SIZES, screenshots, fullPage: true });

/// Texts of the steps that have happened.
const happened = (page) => page.locator(".way li:not(.now):not(.next) .what").allTextContents();

/// An order that gets on while it is looked at: nothing is missed, nothing is shown twice, and the page is never loaded again.
async function follows(number = 1) {
  let bytes = 0;
  const { id } = await place(`follow-${number}`, { isQuick: true });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("response", async (response) => {
    const isPart = response.request().resourceType() !== "xhr";
    if (isPart) bytes += (await response.body().catch(() => "")).length;
  });
  await page.goto(signedIn(id));
  await page.evaluate(() => (window.isTheSame = true));
  assert.ok(!page.url().includes("token"), "the token is taken out of the address");
  const first = await page.locator("main[data-view=order] h1").textContent();
  if (first === LEFT && number < 5) {
    // It was faster than the browser.
    await page.close();
    return follows(number + 1);
  }
  assert.match(first, ON_ITS_WAY);
  await look(page, "reserved");
  // The picture of the README, docs/order-page.png.
  if (screenshots) {
    await page.setViewportSize(SIZES[0]);
    await page.emulateMedia({ colorScheme: "light" });
    await page.locator("main").screenshot({ path: join(screenshots, "order-page.png") });
  }
  await heading(page, LEFT);
  const steps = await happened(page);
  const expected = ["We have your order", "Your goods are set aside", "Your payment has gone through", "Your parcel is with the carrier"];
  assert.deepEqual(steps, expected);
  assert.ok(await page.evaluate(() => window.isTheSame), "it was not loaded again");
  assert.match(await page.locator("#line").textContent(), /keeps itself up to date/);
  assert.ok(bytes > 0 && bytes < MAX_BYTES, `${bytes} bytes of at most ${MAX_BYTES}`);
  await look(page, "shipped");
  return page;
}

/// From the page of an order that is shipped to its withdrawal and back, with the token in no address.
async function withdraws(page) {
  await page.getByRole("link", { name: "Withdraw from contract here" }).click();
  await heading(page, "Withdraw from your contract");
  assert.ok(page.url().endsWith("/withdrawal"));
  await page.goBack();
  await heading(page, "Your order is on its way");
  await page.goForward();
  await heading(page, "Withdraw from your contract");
  await page.getByRole("button", { name: "Withdraw from contract here" }).click();
  await page.getByRole("button", { name: "Confirm withdrawal" }).click();
  await heading(page, "We have received your withdrawal");
  await page.goBack();
  await heading(page, "We wait for your goods");
  await look(page, "returning");
  await page.close();
}

/// Two tabs of one order: what is done in one is seen in the other at once. By keyboard.
async function inTwoTabs({ id }) {
  const [one, other] = [await open(signedIn(id)), await open(signedIn(id))];
  await headingBefore(other, ON_ITS_WAY);
  await one.bringToFront();
  await headingBefore(one, ON_ITS_WAY);
  await unlessItLeaves(one, async () => {
    await one.locator("main").focus();
    await one.keyboard.press("Tab");
    assert.equal(await one.evaluate(() => document.activeElement.textContent), "Cancel the order…");
    await one.keyboard.press("Enter");
    await one.getByRole("button", { name: "Cancel the order" }).waitFor();
    // What is open stays open while the page asks again.
    await one.waitForTimeout(3_000);
    await one.locator("summary").focus();
    await one.keyboard.press("Tab");
    assert.equal(await one.evaluate(() => document.activeElement.textContent), "Cancel the order");
    await one.keyboard.press("Enter");
  });
  await headingBefore(one, "Your order is cancelled");
  await heading(other, "Your order is cancelled");
  await look(one, "cancelled");
  await one.close();
  await other.close();
}

/// Without a connection the page says so, and goes on where it was once there is one.
async function offlineAndBack({ link }) {
  const page = await open(link);
  await headingBefore(page, ON_ITS_WAY);
  await context.setOffline(true);
  await page.getByText(/^No connection/).waitFor();
  const before = await happened(page);
  await cancel(link);
  await look(page, "offline");
  assert.deepEqual(await happened(page), before);
  await context.setOffline(false);
  await heading(page, "Your order is cancelled");
  await page.getByText(/keeps itself up to date/).waitFor();
  await page.close();
}

/// A tab that nobody sees hardly asks, and looks as soon as somebody does.
async function asleep({ link }) {
  const page = await open(link);
  await headingBefore(page, ON_ITS_WAY);
  let asked = 0;
  page.on("request", () => (asked += 1));
  const hide = (isHidden) =>
    page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  await hide(true);
  await page.waitForTimeout(1_000);
  asked = 0;
  await page.waitForTimeout(6_000);
  assert.equal(asked, 0, "nobody sees it");
  await hide(false);
  await until(() => asked >= 1, "it looks at once");
  await page.close();
}

/// Counts what a page asks for from here on.
function requestsOf(page) {
  const count = { asked: 0 };
  page.on("request", (request) => (count.asked += request.resourceType() === "xhr" ? 1 : 0));
  return count;
}

/// A page that hears by the socket does not ask while nothing happens, and shows at once what does; it begins again where the socket is
/// cut.
async function bySocket({ id, link }) {
  const probe = await open(link);
  const hasSocket = await probe.locator("#line[data-socket]").count();
  await probe.close();
  if (!hasSocket) return process.stdout.write("there is no socket here\n");

  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => faults.push(error.message));
  let heard = 0;
  const routes = [];
  await page.routeWebSocket(/./, (route) => {
    routes.push(route);
    const server = route.connectToServer();
    server.onMessage((message) => {
      if (String(message).includes('"next"')) heard += 1;
      route.send(message);
    });
  });
  await page.goto(link);
  await headingBefore(page, ON_ITS_WAY);
  await until(() => heard > 0, "it hears", page);
  const [count, first] = [requestsOf(page), heard];
  await page.waitForTimeout(7_000);
  // Once for the first that it has heard, and once for each step that the order has taken meanwhile.
  const [{ asked }, steps] = [count, heard - first];
  assert.ok(asked <= 1 + steps, `it asks ${asked} times though it hears, of ${steps} steps`);
  routes.at(-1).close();
  const before = heard;
  await until(() => routes.length > 1 && heard > before, "it hears again", page);

  const [begun, known] = [Date.now(), heard];
  await cancel(link);
  await until(() => heard > known, "it is told");
  await heading(page, "Your order is cancelled");
  process.stdout.write(`${id}: shown by socket after ${Date.now() - begun} ms\n`);
  await look(page, "heard");
  await page.close();
}

/// A page that cannot hear asks.
async function deaf({ link }) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.routeWebSocket(/./, (route) => route.close());
  const count = requestsOf(page);
  await page.goto(link);
  await headingBefore(page, ON_ITS_WAY);
  await until(() => count.asked >= 3, "it asks though it hears nothing", page);
  await cancel(link);
  await heading(page, "Your order is cancelled");
  await page.close();
}

/// Waits until it is so; of the page of an order, as long as that has not left.
async function until(is, what, page) {
  const patience = Date.now() + PATIENCE_MS;
  while (!is()) {
    if (page && (await hasLeft(page))) throw new HasLeft();
    assert.ok(Date.now() < patience, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/// Without scripts: the same page, its form, and a reload that does nothing twice.
async function withoutScripts({ link }) {
  const page = await open(link, plain);
  await headingBefore(page, ON_ITS_WAY);
  await page.locator("summary").click();
  await page.getByRole("button", { name: "Cancel the order" }).click();
  await headingBefore(page, "Your order is cancelled");
  assert.equal(page.url(), link);
  if (screenshots) await page.screenshot({ path: join(screenshots, "order-plain.png"), fullPage: true });
  await page.reload();
  await heading(page, "Your order is cancelled");
  await page.close();
}

try {
  await beforeItLeaves("plain", withoutScripts);
  await beforeItLeaves("tabs", inTwoTabs, false);
  await beforeItLeaves("offline", offlineAndBack);
  await beforeItLeaves("asleep", asleep);
  await beforeItLeaves("socket", bySocket);
  await beforeItLeaves("deaf", deaf);
  await withdraws(await follows());
  for (const [name, address, text] of [
    ["unknown", signedIn("ord_0"), "There is no such order"],
    ["refused", `${url}/orders/ord_0#token=${task.refused}`, "We cannot tell who you are"],
  ]) {
    const page = await open(address);
    await heading(page, text);
    await look(page, name);
    // A token that is refused is forgotten, once the script has asked with it: the page without has the same heading.
    await page.waitForFunction((kept) => sessionStorage.length === kept, name === "refused" ? 0 : 1);
    await page.close();
  }
  assert.deepEqual(faults, []);
} finally {
  await browser.close();
}
