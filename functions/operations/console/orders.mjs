// One order over all services, and the state of the stack.

import { at, badge, button, count, due, empty, failed, h, lasting, poll, redraw, request, say, when } from "./common.mjs";
import { askWhy, letterList } from "./letters.mjs";

/// Pause between two looks at an order, or at the stack.
const LOOK_MS = 5_000;

/// Wait for which an entry of the timeline is marked as slow.
const SLOW_MS = 10_000;

// ── Order ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The way to an order's timeline.
export function orders(view) {
  view.show(
    "Orders",
    h("h1", {}, "Orders"),
    empty(
      "Which order?",
      "Type its id into the field at the top, and press Enter: its way through all services, with its delays, and where it waits.",
      h(
        "p",
        {},
        h("button", { type: "button", onclick: () => document.getElementById("search").focus() }, "Go to the field"),
      ),
    ),
  );
}

/// An order's way through all services.
export async function order(view) {
  const title = view.id;
  const box = h("div", { "aria-busy": "true", class: "order" });
  view.show(
    `Order ${title}`,
    h("p", { class: "crumbs" }, h("a", { href: "#/orders" }, "Orders")),
    h("h1", { class: "mono long" }, title),
    box,
  );
  const look = async () => {
    try {
      const { body } = await request("GET", at("operations/orders", view.id), { signal: view.signal });
      const letters = body.letters ?? [];
      const waits = body.waiting ?? [];
      redraw(
        box,
        hold(body.held, () => clear(view, look)),
        waiting(waits.filter(({ person }) => !person)),
        timeline(body.timeline ?? []),
        lettersOf(letters, waits.length > 0),
      );
      box.removeAttribute("aria-busy");
      return true;
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      const found = problem.status === 404 ? await lettersAbout(view) : [];
      box.replaceChildren(failed(problem, view.again), found.length ? lettersOf(found) : "");
      box.removeAttribute("aria-busy");
      return problem.status === 0 || problem.status >= 500;
    }
  };
  await poll(look, LOOK_MS, view.signal);
}

async function lettersAbout(view) {
  const answer = await request("GET", "operations/letters", { query: { order: view.id }, signal: view.signal }).catch(
    () => null,
  );
  return answer?.body.letters ?? [];
}

/// The flag of an order that is not shipped before somebody clears it, and the way to do so.
function hold(held, clears) {
  if (!held) return "";
  const sign = ({ code, detail }) =>
    h("li", {}, h("span", { class: "badge", "data-state": "waiting" }, code), h("div", { class: "what" }, detail));
  return h(
    "section",
    { class: "hold", "aria-label": "Held" },
    h(
      "div",
      { class: "head" },
      h("h2", {}, "Waits for a person"),
      h("div", { class: "actions" }, button("Clear…", clears, { class: "primary", "data-act": "clear" })),
    ),
    h(
      "p",
      { class: "lead" },
      `It looks like fraud, with a score of ${held.score}, and is not shipped before somebody clears it. If it is fraud, cancel the order. Flagged `,
      when(held.since),
      ".",
    ),
    h("ul", { class: "rows waits" }, held.reasons.map(sign)),
  );
}

/// Lets somebody clear the order, with a reason.
async function clear(view, look) {
  const why = await askWhy("Clear the order", "It is shipped once it is paid, and this cannot be taken back.", "Clear it", "primary");
  if (!why) return;
  try {
    await request("POST", `${at("operations/orders", view.id)}/clear`, { body: { why } });
    say("The order is cleared. That shows here in some seconds.");
  } catch (problem) {
    return view.note(problem.message);
  }
  await look();
}

function waiting(list) {
  if (list.length === 0) return "";
  const row = ({ service, event, type, since, why, receives, nextAttempt }) =>
    h(
      "li",
      {},
      h("span", { class: "badge", "data-state": "waiting" }, "Waits"),
      h(
        "div",
        { class: "what" },
        h("span", { class: "main" }, service),
        h(
          "p",
          { class: "meta" },
          h("span", {}, type),
          event && h("span", { class: "mono" }, event),
          why && h("span", { class: "reason" }, why),
          receives && h("span", {}, count(receives, "attempt")),
          nextAttempt && h("span", {}, "the next ", due(nextAttempt)),
        ),
      ),
      h("span", { class: "since" }, h("span", { class: "label" }, "since "), when(since)),
    );
  return h("section", {}, h("h2", {}, "Where it waits"), h("ul", { class: "rows waits" }, list.map(row)));
}

function timeline(list) {
  if (list.length === 0) return empty("Nothing is on record", "No service has a row of this order.");
  const start = Date.parse(list[0].at);
  const longest = Math.max(1, ...list.map(({ waitedMs }) => waitedMs ?? 0));
  const slow = list.filter(({ waitedMs }) => waitedMs >= SLOW_MS).length;
  const entry = ({ at: time, service, what, event, cause, waitedMs }) => {
    const offset = Date.parse(time) - start;
    const wait = h("span", { class: "wait" });
    if (waitedMs > 0) {
      const line = h("span", { class: "wait-bar", "aria-hidden": "true" });
      line.style.width = `${Math.max(2, (100 * waitedMs) / longest)}%`;
      wait.append(line, h("span", { class: "wait-text" }, `waited ${lasting(waitedMs)}`));
    }
    return h(
      "li",
      { "data-slow": waitedMs >= SLOW_MS },
      h(
        "time",
        { datetime: time, title: `${time.replace("T", " ").replace("Z", "")} UTC`, class: "offset" },
        offset === 0 ? "0 s" : `+${lasting(offset)}`,
      ),
      h(
        "div",
        { class: "step" },
        h("p", {}, h("b", {}, what), h("span", { class: "soft" }, ` ${service}`)),
        ids(event, cause),
      ),
      wait,
    );
  };
  return h(
    "section",
    {},
    h("h2", {}, "Timeline"),
    h(
      "p",
      { class: "lead" },
      `${count(list.length, "step")} in ${lasting(Math.max(0, Date.parse(list.at(-1).at) - start))}, begun `,
      when(list[0].at),
      slow ? `. ${count(slow, "step")} waited for more than ${lasting(SLOW_MS)}.` : ".",
    ),
    h("ol", { class: "timeline" }, list.map(entry)),
  );
}

function ids(event, cause) {
  if (!event && !cause) return "";
  return h(
    "p",
    { class: "ids" },
    event && h("span", { title: "Event" }, event),
    cause && h("span", { title: "Cause" }, `← ${cause}`),
  );
}

function lettersOf(list, isWaiting = false) {
  return h(
    "section",
    {},
    h("h2", {}, "Letters"),
    list.length
      ? letterList(list)
      : h("p", { class: "soft" }, isWaiting ? "None: it is under way." : "None: nothing of this order is stuck."),
  );
}

// ── Status ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Queues, letters, orders and relays of the stack.
export async function status(view) {
  const box = h("div", { "aria-busy": "true", class: "status" });
  view.show("Status", h("h1", {}, "Status"), box);
  const look = async () => {
    try {
      draw(box, (await request("GET", "operations/status", { signal: view.signal })).body);
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      const isMissing = problem.status === 404;
      box.removeAttribute("aria-busy");
      box.replaceChildren(
        isMissing
          ? empty("This stack does not tell its status", "Its letters are under Letters.")
          : failed(problem, view.again),
      );
      if (isMissing) return false;
    }
    box.removeAttribute("aria-busy");
    return true;
  };
  await poll(look, LOOK_MS, view.signal);
}

const LETTERS = ["waiting", "parkedAgain", "sent", "handled", "dropped"];

function draw(box, { queues = [], letters = {}, orders, streams = [] }) {
  const number = (name, value, state) =>
    h("div", { "data-state": state }, h("dt", {}, name), h("dd", {}, (value ?? 0).toLocaleString("en")));
  redraw(
    box,
    orders && h("h2", {}, "Orders"),
    orders &&
      h("dl", { class: "numbers" }, [
        number("Open", orders.open),
        number(orders.late > 0 ? badge("late") : "Late", orders.late),
      ]),
    h("h2", {}, "Letters"),
    h(
      "dl",
      { class: "numbers" },
      LETTERS.map((state) => number(badge(state), letters[state], state)),
    ),
    h("h2", {}, "Queues"),
    queueTable(queues, new Map(streams.map(({ service, relayLetters }) => [service, relayLetters]))),
  );
}

function queueTable(queues, relays) {
  const columns = [
    ["To do", ({ visible }) => visible],
    ["Under way", ({ hidden }) => hidden],
    ["Oldest", ({ oldestSeconds }) => (oldestSeconds ? lasting(oldestSeconds * 1_000) : "–")],
    ["Relay stuck", ({ service }) => relays.get(service) ?? "–"],
  ].filter(([name]) => name !== "Oldest" || queues.some(({ oldestSeconds }) => oldestSeconds !== undefined));
  const head = ["Service", ...columns.map(([name]) => name)].map((name) => h("th", { scope: "col" }, name));
  const row = (queue) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, queue.service),
      columns.map(([, value]) => h("td", {}, value(queue).toLocaleString("en"))),
    );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Queues" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, queues.map(row))),
  );
}
