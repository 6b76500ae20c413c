// The console as an operator uses it, in Chromium, on a stack that runs. Every view is held against axe, wide and at 400
// pixels, and its colours in light and dark.
// node tests/console/console.mjs NODE-MODULES CHROMIUM URL TASK [FOLDER-FOR-SCREENSHOTS]
// TASK is JSON: the tokens of two operators and of somebody else, and the letters that a fault has left.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { looker } from "./look.mjs";
import "./text.mjs";

const [packages, executablePath, url, json, screenshots] = process.argv.slice(2);
const task = JSON.parse(json);
const require = createRequire(`${packages}/`);
const { chromium } = require("playwright-core");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const SIZES = [
  { width: 1280, height: 860 },
  { width: 400, height: 860 },
];
const WIDE = SIZES[0];

/// Patience with an emulator that has other things to do, too.
const PATIENCE_MS = 120_000;

/// Shift of a layout that nobody sees (the threshold of Web Vitals is 0.1).
const MOST_SHIFT = 0.02;

const profile = await mkdtemp(join(tmpdir(), "console-"));
const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
context.setDefaultTimeout(PATIENCE_MS);
await context.addInitScript(() => {
  globalThis.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
});

/// What a browser has found wrong with the page: scripts that failed, and what its policy has refused.
const faults = [];

async function open(at) {
  const page = await context.newPage();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.setViewportSize(WIDE);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // An answer that is an error is shown, and logged by the browser besides.
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !isAnswer) faults.push(message.text());
  });
  await page.goto(at);
  return page;
}

const lookAt = looker(require, { sizes: SIZES, screenshots });
let views = 0;

/// Holds what is seen against axe, in each size and colour.
async function look(page, name) {
  await lookAt(page, name);
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  views += 1;
}

async function go(page, hash) {
  const shown = (hash) =>
    new Promise((resolve) => {
      addEventListener("hashchange", () => resolve(), { once: true });
      location.hash = hash;
    });
  await page.evaluate(shown, hash);
  await settled(page);
}

const settled = (page) => page.waitForFunction(() => !document.querySelector("[aria-busy]"));
const text = (page, selector) => page.locator(selector).innerText();
const waitForState = (page, state) => page.locator(`.head .badge[data-state="${state}"]`).waitFor();

/// Text of the editor, with a change.
async function change(page, from, to) {
  const body = await page.locator("textarea").inputValue();
  assert.ok(body.includes(from), `${from} is not in ${body}`);
  await page.locator("textarea").fill(body.replace(from, to));
}

const scenes = {
  async "who has no token is asked for one, and it leaves the address at once"() {
    const page = await open(url);
    await page.locator("dialog .token").waitFor();
    await look(page, "sign-in");
    await page.locator("dialog .token").fill("nonsense");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Sign in", exact: true }).last().click();
    await page.getByText("This is no access token").waitFor();
    await page.locator("dialog .token").fill(`Bearer ${task.operator}`);
    await page.locator("dialog button.primary").click();
    await page.locator(".groups .main").first().waitFor();
    await page.close();

    const brought = await open(`${url}#token=${task.operator}`);
    await brought.locator(".groups .main").first().waitFor();
    assert.equal(new URL(brought.url()).hash, "#/");
    const kept = await brought.evaluate(() => [Object.keys(sessionStorage), Object.keys(localStorage)]);
    assert.deepEqual(kept, [["consoleToken"], []]);
    assert.ok((await brought.evaluate(() => globalThis.shift)) < MOST_SHIFT, "the layout shifts");
    await brought.close();

    const other = await open(`${url}#token=${task.other}`);
    await other.getByText("You may not see this").waitFor();
    await look(other, "forbidden");
    await other.close();
  },

  async "a group is found by the keyboard alone, and sent back a few at first"() {
    const page = await open(`${url}#token=${task.operator}`);
    await page.locator(".groups .main").first().waitFor();
    await look(page, "groups");
    await page.keyboard.press("/");
    await page.keyboard.type(task.group.reason);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await page.locator(".letters .main").first().waitFor();
    assert.equal(await page.locator(".letters > li").count(), task.group.count);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    assert.equal(await text(page, ".chosen > span"), "1 letter chosen");
    await look(page, "letters");
    await page.keyboard.press("r");
    await page.locator("dialog .total b").waitFor();
    assert.equal(await text(page, "dialog .total"), "1 letter will be sent back.");
    await page.keyboard.press("Escape");
    await page.keyboard.press("x");
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keys" }).waitFor();
    await look(page, "keys");
    await page.keyboard.press("Escape");
    await page.keyboard.press("u");
    await page.locator(".groups .main").first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type(task.group.reason);
    await page.keyboard.press("Enter");
    await page.keyboard.press("r");
    await page.locator("dialog .total b").waitFor();
    assert.equal(await text(page, "dialog .total"), `${task.group.count} letters will be sent back.`);
    await look(page, "send-back");
    await page.keyboard.press("Enter");
    // It may be done as soon as somebody looks.
    await page.locator(".head .badge:is([data-state=running], [data-state=done])").waitFor();
    await look(page, "job");
    await waitForState(page, "done");
    assert.match(await text(page, ".numbers [data-state=handled]"), new RegExp(`Handled\\s+${task.group.count}`));
    await go(page, "#/jobs");
    await page.getByText(`${task.group.count} of ${task.group.count} handled`).waitFor();
    await look(page, "jobs");
    await page.close();
  },

  async "a ramp stops at a relapse, and a job is stopped by hand"() {
    const page = await open(`${url}#token=${task.operator}`);
    await go(page, `#/letters?order=${task.relapse.order}`);
    for (let letter = 0; letter < task.relapse.count; letter += 1) {
      await page.keyboard.press("j");
      await page.keyboard.press("x");
    }
    await page.keyboard.press("r");
    await page.locator("dialog .total b").waitFor();
    await page.keyboard.press("Enter");
    await waitForState(page, "relapsed");
    await page.getByText(`: ${task.relapse.count - 1} letters left.`).waitFor();
    await look(page, "relapse");
    await go(page, `#/letters?service=screening&reason=${encodeURIComponent(task.stopped.reason)}`);
    await page.keyboard.press("r");
    await page.locator("dialog .total b").waitFor();
    await page.getByLabel("A few at first").uncheck();
    await page.getByLabel("Letters a second").fill("1");
    await page.locator("dialog button.primary").click();
    await waitForState(page, "running");
    await page.locator("[data-act=stop]").click();
    await page.locator("dialog button.danger").click();
    await waitForState(page, "stopped");
    await page.close();
  },

  async "of two editors one is told that the other was faster, and keeps the text"() {
    const letter = `#/letters/${task.broken}`;
    const [ada, grace] = [await open(`${url}#token=${task.operator}`), await open(`${url}#token=${task.second}`)];
    for (const page of [ada, grace]) {
      await go(page, letter);
      await waitForState(page, "waiting");
    }
    await look(ada, "letter");
    await ada.keyboard.press("e");
    await change(ada, '"city": "Berlin"', '"city": "Potsdam"');
    await ada.locator(".diff ins").waitFor();
    await ada.getByRole("button", { name: "Save this change" }).click();
    await ada.getByText("Say why").waitFor();
    await ada.getByLabel("Why").fill("a quantity is a number");
    await ada.getByRole("button", { name: "Save this change" }).click();
    await ada.getByText("/data/lines/0/quantity").waitFor();
    await look(ada, "edit");
    await ada.locator(".faults button").click();
    const selected = await ada.evaluate(() =>
      document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd),
    );
    assert.equal(selected, '"one"');
    await change(ada, '"one"', "1");

    await grace.keyboard.press("e");
    await change(grace, '"one"', "1");
    await grace.getByLabel("Why").fill("one is 1");
    await grace.getByRole("button", { name: "Save this change" }).click();
    await grace.getByText("The body before").waitFor();
    await grace.getByText("The body before").click();
    await grace.locator("details .diff ins").first().waitFor();
    await look(grace, "edited");

    await ada.getByRole("button", { name: "Save this change" }).click();
    await ada.getByText("Somebody was faster: grace has edited the letter: one is 1").waitFor();
    await look(ada, "faster");
    assert.ok((await ada.locator("textarea").inputValue()).includes("Potsdam"), "the text is kept");
    await ada.locator("[data-act=reload]").click();
    await ada.getByText("Theirs is loaded").waitFor();
    // Its id is hers again, too: the difference says so, and an edit of the city alone is left.
    const body = await ada.locator("textarea").inputValue();
    assert.ok(body.includes("Potsdam"), "the text is kept");
    await ada.waitForFunction(() =>
      [...document.querySelectorAll(".diff ins")].some((line) => line.textContent.includes("Potsdam")),
    );
    assert.ok(!(await text(ada, ".diff")).includes('"one"'), "the difference is against hers");
    await ada.getByRole("button", { name: "Save this change" }).click();
    await ada.locator("[data-what=edited]").nth(1).waitFor();
    await ada.keyboard.press("r");
    await ada.locator("dialog .total b").waitFor();
    await ada.keyboard.press("Enter");
    await waitForState(ada, "done");
    await go(ada, letter);
    await waitForState(ada, "handled");
    await ada.close();
    await grace.close();
  },

  async "an order that is held is cleared, with the reason"() {
    const page = await open(`${url}#token=${task.operator}`);
    await page.locator(".groups .main").first().waitFor();
    await go(page, `#/orders/${task.held}`);
    await page.locator(".hold").getByText("score of 60").waitFor();
    await page.locator(".hold").getByText(/1250.00 EUR/).waitFor();
    await look(page, "held");
    await page.getByRole("button", { name: "Clear…" }).click();
    await page.getByRole("button", { name: "Clear it" }).click();
    await page.getByLabel("Why").fill("a regular customer");
    await look(page, "clear");
    await page.getByRole("button", { name: "Clear it" }).click();
    await page.locator(".timeline").getByText("OrderCleared").waitFor();
    await page.locator(".hold").waitFor({ state: "detached" });
  },

  async "an order is followed, replayed to a service, and compared"() {
    const page = await open(`${url}#token=${task.operator}`);
    await page.locator(".groups .main").first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type(task.order);
    await page.keyboard.press("Enter");
    await page.locator(".timeline").getByText("ShipmentCreated").waitFor();
    await page
      .locator(".timeline")
      .getByText(/waited/)
      .first()
      .waitFor();
    assert.match(await text(page, ".order"), /Letters\s+web-console-mend/);
    await look(page, "order");
    await go(page, "#/jobs");
    await page.getByRole("button", { name: "Replay…" }).click();
    await page.getByLabel("Service", { exact: true }).fill("screening");
    await page.getByLabel("Order", { exact: true }).fill(task.order);
    await page.getByRole("button", { name: "Count" }).click();
    await page.locator("dialog .total b").waitFor();
    await look(page, "replay");
    await page.getByRole("button", { name: "Replay 1 event" }).click();
    await waitForState(page, "done");
    assert.match(await text(page, ".numbers"), /Handled\s+1/);
    await look(page, "replayed");
    await go(page, "#/jobs");
    await page.getByRole("button", { name: "Reconcile…" }).click();
    await look(page, "reconcile");
    await page.getByRole("button", { name: "Begin" }).click();
    await waitForState(page, "done");
    await look(page, "reconciliation");
    await go(page, "#/status");
    await page.getByRole("row", { name: /^screening/ }).waitFor();
    await look(page, "status");
    await page.close();
  },

  async "the board tells what becomes of orders, and how far behind each service is"() {
    const page = await open(`${url.replace(/console$/, "board")}#token=${task.operator}`);
    assert.ok(!page.url().includes("token"));
    await page.getByRole("heading", { name: "Orders by minute, the last hour" }).waitFor();
    await page.getByRole("img", { name: /^Placed, by minute of the last hour: [1-9]/ }).waitFor();
    await page.getByRole("img", { name: /^Revenue by hour of the last day/ }).waitFor();
    await page.locator(".lags").getByText("payment", { exact: true }).waitFor();
    const count = page.locator(".needs li", { hasText: "payment" }).locator(".money").first();
    await count.filter({ hasText: /^[1-9][0-9,]*$/ }).waitFor();
    await look(page, "board");
    // The counts stay where nobody tells how the services are, or how many letters there are.
    await page.route("**/operations/status", (route) => route.fulfill({ json: { queues: [], letters: {}, streams: [] } }));
    const needs = page.locator("section", { has: page.getByRole("heading", { name: "What needs a person" }) });
    await needs.locator("dd").first().filter({ hasText: /^–$/ }).waitFor();
    await page.route("**/operations/status", (route) => route.fulfill({ status: 500, json: { title: "No" } }));
    await page.getByRole("heading", { name: "What needs a person" }).waitFor({ state: "detached" });
    await page.getByRole("img", { name: /^Placed, by minute of the last hour: [1-9]/ }).waitFor();
    await page.unroute("**/operations/status");
    await page.getByRole("link", { name: "Open letters" }).click();
    await page.getByRole("heading", { level: 1, name: "Letters" }).waitFor();
    await page.keyboard.press("5");
    await page.getByRole("heading", { name: "What needs a person" }).waitFor();
    await page.close();
  },

  async "a letter is dropped with a reason, and what it says is never markup"() {
    const page = await open(`${url}#token=${task.operator}`);
    await go(page, `#/letters/${task.dropped}`);
    await waitForState(page, "waiting");
    assert.ok((await text(page, "pre")).includes("<img src=x onerror="));
    assert.equal(await page.locator("main img").count(), 0);
    await page.keyboard.press("d");
    await look(page, "drop");
    await page.keyboard.press("Enter");
    await page.getByText("Say why").waitFor();
    await page.keyboard.type("nobody needs it");
    await page.keyboard.press("Enter");
    await waitForState(page, "dropped");
    assert.ok((await text(page, ".history")).includes("nobody needs it"));
    await page.close();
  },

  async "what is not there, or does not answer, is told"() {
    const page = await open(`${url}#token=${task.operator}`);
    await go(page, "#/letters/let_nobody");
    await page.getByText("There is no such letter.").waitFor();
    await go(page, "#/jobs/red_nobody");
    await page.getByText("There is no such redrive.").waitFor();
    await go(page, "#/elsewhere");
    await page.getByText("There is no such view").waitFor();
    await go(page, "#/orders/nobody");
    await look(page, "no-order");
    await go(page, "#/orders");
    await look(page, "orders");
    await page.route("**/operations/groups", (route) => route.fulfill({ json: { groups: [] } }));
    await go(page, "#/");
    await page.getByText("No letters: nothing is stuck.").waitFor();
    await look(page, "nothing-stuck");
    await page.route("**/operations/letters*", (route) => route.abort());
    await go(page, "#/letters");
    await page.getByText("The API does not answer").waitFor();
    await look(page, "no-answer");
    await page.unroute("**/operations/letters*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".letters .main").first().waitFor();
    await page.close();
  },
};

try {
  for (const [name, scene] of Object.entries(scenes)) {
    await scene().catch(async (error) => {
      for (const page of context.pages())
        console.error(
          page.url(),
          await page
            .locator("body")
            .innerText()
            .catch(() => ""),
        );
      throw new Error(name, { cause: error });
    });
    assert.deepEqual(faults, [], name);
  }
  console.log(`${views} views, each in 4 ways, without a violation`);
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
