// The board: orders and money of the last hour and day at a glance, for a wall.

import { empty, failed, h, lasting, poll, redraw, request } from "./common.mjs";

/// Pause between two looks.
const LOOK_MS = 5_000;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MINUTES = 60;
const HOURS = 24;

/// Steps of orders: name of the counter, what it is called, and the state whose colour it has.
const STEPS = [
  ["created", "Placed", "sent"],
  ["reserved", "Set aside", "waiting"],
  ["paid", "Paid", "paid"],
  ["shipped", "Shipped", "handled"],
  ["cancelled", "Cancelled", "parkedAgain"],
  ["refunded", "Refunded", "dropped"],
];

/// Currency that is shown, where somebody has chosen one.
let chosen = null;

/// Counts, and how far behind the services are.
export async function board(view) {
  const box = h("div", { "aria-busy": "true", class: "board" });
  view.show("Board", h("h1", { class: "unseen" }, "Board"), box);
  const look = async () => {
    const ask = (path) => request("GET", path, { signal: view.signal }).then(({ body }) => body);
    try {
      const [counts, status] = await Promise.all([ask("operations/board"), ask("operations/status").catch(without)]);
      const show = () => redraw(box, ...parts(counts, status, show));
      show();
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      box.replaceChildren(failed(problem, view.again));
    }
    box.removeAttribute("aria-busy");
    return true;
  };
  await poll(look, LOOK_MS, view.signal);
}

/// The counts alone: for who may read events and is no operator, and where the state of the services is not known.
function without(problem) {
  if (problem.name === "AbortError") throw problem;
  return null;
}

function parts({ at, minutes, hours, skus }, status, show) {
  const currencies = byOrders([...minutes, ...hours]);
  if (currencies.length === 0) {
    return [
      h("div", { class: "wide" }, empty("Nothing was ordered within a day", "Orders show here some seconds after they are placed.")),
      status && lags(status),
      status && letters(status, at),
    ];
  }
  const currency = currencies.includes(chosen) ? chosen : currencies[0];
  const of = (list) => list.filter((one) => one.currency === currency);
  const money = moneyIn(currency);
  const [lastHour, lastDay] = [of(minutes), of(hours)];
  const choice = currencies.length > 1 && currencySelect(currencies, currency, show);
  return [
    choice && h("div", { class: "head" }, h("div", {}, choice)),
    numbers(lastHour, lastDay, money),
    steps(slots(at, MINUTE_MS, MINUTES), lastHour, money),
    revenue(slots(at, HOUR_MS, HOURS), lastDay, money),
    best(of(skus), money),
    status && lags(status),
    status && letters(status, at),
  ];
}

function currencySelect(currencies, currency, show) {
  const select = h(
    "select",
    { "aria-label": "Currency" },
    currencies.map((one) => h("option", { value: one, selected: one === currency }, one)),
  );
  select.addEventListener("change", () => {
    chosen = select.value;
    show();
  });
  return select;
}

// ── Numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const sum = (list, name) => list.reduce((total, one) => total + one[name], 0);

/// Currencies, that of most orders first.
function byOrders(tallies) {
  const orders = new Map();
  for (const { currency, created, paid } of tallies) orders.set(currency, (orders.get(currency) ?? 0) + created + paid);
  return [...orders.keys()].sort((one, other) => orders.get(other) - orders.get(one) || one.localeCompare(other));
}

/// Writer of amounts in minor units. What is read across a room is short: `EUR 52.6K`.
function moneyIn(currency) {
  const format = (more) => new Intl.NumberFormat("en", { style: "currency", currency, currencyDisplay: "code", ...more });
  const [whole, short] = [format({}), format({ notation: "compact", maximumFractionDigits: 1 })];
  const unit = 10 ** whole.resolvedOptions().maximumFractionDigits;
  return (amount) => (Math.abs(amount) < 10_000 * unit ? whole : short).format(amount / unit);
}

/// Begins of the last so many spans of time, the present one last.
function slots(at, span, count) {
  const present = Math.floor(Date.parse(at) / span) * span;
  return Array.from({ length: count }, (_, index) => present - (count - 1 - index) * span);
}

/// Values of a counter in each slot.
function values(slots, tallies, name) {
  const known = new Map(tallies.map((one) => [Date.parse(one.at), one[name]]));
  return slots.map((slot) => known.get(slot) ?? 0);
}

function numbers(lastHour, lastDay, money) {
  const number = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const [created, shipped] = [sum(lastHour, "created"), sum(lastHour, "shipped")];
  const share = created ? `${Math.round((100 * Math.min(shipped, created)) / created)} %` : "–";
  const net = sum(lastDay, "paidAmount") - sum(lastDay, "refundedAmount");
  const pieces = `${sum(lastHour, "setAside").toLocaleString("en")} / ${sum(lastHour, "released").toLocaleString("en")}`;
  return h(
    "section",
    { class: "wide" },
    h("h2", { class: "unseen" }, "Numbers"),
    h(
      "dl",
      { class: "numbers" },
      number("Placed, 60 min", created.toLocaleString("en")),
      number("Of these shipped", share),
      number("Revenue, 60 min", money(sum(lastHour, "paidAmount"))),
      number("Revenue less refunds, 24 h", money(net)),
      number("Pieces set aside / released, 60 min", pieces),
    ),
  );
}

// ── Charts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const SVG = "http://www.w3.org/2000/svg";

/// Columns, as high as their values. Its label says what a reader of screens cannot see.
function columns(values, label, highest = Math.max(1, ...values)) {
  const svg = document.createElementNS(SVG, "svg");
  const set = (element, attributes) =>
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  set(svg, { viewBox: `0 0 ${values.length * 10} 100`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  values.forEach((value, index) => {
    // What is not nothing is seen, however little it is.
    const height = value > 0 ? Math.max(4, (100 * value) / highest) : 0;
    const [ground, bar] = [document.createElementNS(SVG, "rect"), document.createElementNS(SVG, "rect")];
    set(ground, { class: "ground", x: index * 10 + 1, y: 98, width: 8, height: 2 });
    set(bar, { x: index * 10 + 1, y: 100 - height, width: 8, height });
    svg.append(ground, bar);
  });
  return svg;
}

/// Steps by minute: one row each, all to one scale.
function steps(minutes, tallies, money) {
  const highest = Math.max(1, ...STEPS.flatMap(([name]) => values(minutes, tallies, name)));
  const row = ([name, what, state]) => {
    const total = sum(tallies, name);
    const label = `${what}, by minute of the last hour: ${total} in all, at most ${Math.max(...values(minutes, tallies, name))} a minute`;
    return h(
      "li",
      { "data-state": state },
      h("span", { class: "badge", "data-state": state }, what),
      h("span", { class: "many" }, total.toLocaleString("en")),
      h("span", { class: "money" }, money(sum(tallies, `${name}Amount`))),
      columns(values(minutes, tallies, name), label, highest),
    );
  };
  return h(
    "section",
    { class: "wide" },
    h("h2", {}, "Orders by minute, the last hour"),
    h("ul", { class: "rows" }, STEPS.map(row)),
  );
}

function revenue(hours, tallies, money) {
  const amounts = values(hours, tallies, "paidAmount");
  const best = Math.max(...amounts);
  const clock = (slot) => new Date(slot).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const label = `Revenue by hour of the last day: ${money(sum(tallies, "paidAmount"))} in all, at most ${money(best)} an hour`;
  const ticks = hours.filter((_, index) => index % 6 === 5 || index === 0);
  return h(
    "section",
    {},
    h("h2", {}, "Revenue by hour, the last day"),
    h(
      "div",
      { class: "hours" },
      h("p", { class: "hint" }, `At most ${money(best)} an hour`),
      columns(amounts, label),
      h(
        "p",
        { class: "axis", "aria-hidden": "true" },
        ticks.map((slot) => h("span", {}, clock(slot))),
      ),
    ),
  );
}

function best(skus, money) {
  const most = Math.max(1, ...skus.map(({ amount }) => amount));
  const row = ({ sku, pieces, amount }) => {
    const bar = h("span", { class: "share-bar", "aria-hidden": "true" });
    bar.style.width = `${Math.max(2, (100 * amount) / most)}%`;
    return h(
      "li",
      {},
      h("span", {}, sku),
      h("span", { class: "money" }, `${pieces.toLocaleString("en")} pcs`),
      h("span", { class: "money" }, money(amount)),
      bar,
    );
  };
  return h(
    "section",
    {},
    h("h2", {}, "What sells best, this hour and the last"),
    skus.length
      ? h("ul", { class: "rows shares" }, skus.map(row))
      : h("p", { class: "soft" }, "Nothing was paid for."),
  );
}

// ── Services ────────────────────────────────────────────────────────────────────────────────────────────────────────

function lags({ queues = [] }) {
  const row = ({ service, visible, hidden, oldestSeconds }) => {
    const waiting = visible + hidden;
    const state = oldestSeconds > 60 ? "late" : waiting > 0 ? "waiting" : "handled";
    return h(
      "li",
      {},
      h("span", { class: "badge", "data-state": state }, service),
      h("span", { class: "money" }, waiting ? `${waiting.toLocaleString("en")} wait` : "nothing"),
      h("span", { class: "money" }, oldestSeconds ? lasting(oldestSeconds * 1_000) : "–"),
    );
  };
  return h(
    "section",
    {},
    h("h2", {}, "How far behind each service is"),
    h("ul", { class: "rows lags" }, queues.map(row)),
  );
}

function letters({ openLetters, orders }, at) {
  const number = (name, value, state) =>
    h("div", { "data-state": state }, h("dt", {}, name), h("dd", {}, value?.toLocaleString("en") ?? "–"));
  const services = new Map();
  for (const { service, count, oldest } of openLetters ?? []) {
    const known = services.get(service) ?? { count: 0, oldest };
    services.set(service, { count: known.count + count, oldest: oldest < known.oldest ? oldest : known.oldest });
  }
  const row = ([service, { count, oldest }]) =>
    h(
      "li",
      {},
      h("span", { class: "badge", "data-state": "parkedAgain" }, service),
      h("span", { class: "money" }, count.toLocaleString("en")),
      h("span", { class: "money" }, lasting(Math.max(0, Date.parse(at) - Date.parse(oldest)))),
    );
  // Where they could not be counted in time nobody knows.
  const open = openLetters && sum([...services.values()], "count");
  return h(
    "section",
    {},
    h("h2", {}, "What needs a person"),
    h(
      "dl",
      { class: "numbers" },
      number(h("a", { href: "#/" }, "Open letters"), open),
      orders && number("Open orders", orders.open),
      orders && number("Late orders", orders.late),
    ),
    services.size > 0 && h("h3", { class: "hint" }, "Open letters of each service, and since when"),
    services.size > 0 && h("ul", { class: "rows needs" }, [...services].map(row)),
  );
}
