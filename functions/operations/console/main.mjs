// The shell: views by the part of the address after #, sign-in, search, keys.

import { board } from "./board.mjs";
import { access, at, button, choices, dialog, empty, field, h, lasting, onAccess } from "./common.mjs";
import { job, jobs, kindOf } from "./jobs.mjs";
import { letter } from "./letter.mjs";
import { groups, letters } from "./letters.mjs";
import { order, orders, status } from "./orders.mjs";

const main = document.getElementById("main");
const search = document.getElementById("search");

/// Setting of this browser: single keys do nothing, for who dictates.
const WITHOUT_KEYS = "withoutKeys";

// ── Views ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const VIEWS = [
  [/^\/?$/, groups, "letters"],
  [/^\/letters$/, letters, "letters"],
  [/^\/letters\/(.+)$/, letter, "letters"],
  [/^\/orders$/, orders, "orders"],
  [/^\/orders\/(.+)$/, order, "orders"],
  [/^\/jobs$/, jobs, "jobs"],
  [/^\/jobs\/(.+)$/, job, "jobs"],
  [/^\/status$/, status, "status"],
  [/^\/board$/, board, "board"],
];

/// View of an address that names none: whoever hangs the board on a wall has it under an address of its own.
const HOME = /\/board\/?$/.test(location.pathname) ? "/board" : "/";

let current = new AbortController();
let isFirst = true;

function show() {
  if (takeToken()) return;
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const [path, query = ""] = (location.hash.slice(1) || HOME).split("?");
  const [pattern, draw, name] = VIEWS.find(([pattern]) => pattern.test(path)) ?? [/^/, nowhere, ""];
  for (const one of document.querySelectorAll("[data-view]")) {
    if (one.dataset.view === name) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  search.value = "";
  const moves = !isFirst;
  isFirst = false;
  let isShown = false;
  draw({
    id: decoded(pattern.exec(path)?.[1]),
    query: Object.fromEntries(new URLSearchParams(query)),
    signal,
    show(title, ...nodes) {
      if (signal.aborted) return;
      document.title = `${title} · orderflow operations`;
      main.replaceChildren(...nodes.filter(Boolean));
      // A reader of screens and the keyboard begin with the new view.
      if (moves && !isShown) {
        main.focus({ preventScroll: true });
        scrollTo(0, 0);
      }
      isShown = true;
    },
    note: (text) => main.prepend(h("p", { class: "note", role: "alert" }, text)),
    keep,
    go: (hash) => (location.hash = hash),
    again: show,
  });
}

function decoded(part) {
  try {
    return part && decodeURIComponent(part);
  } catch {
    return part;
  }
}

function nowhere(view) {
  view.show(
    "Nothing here",
    h("h1", {}, "Nothing here"),
    empty("There is no such view", "", h("p", {}, h("a", { href: "#/" }, "All letters"))),
  );
}

/// Replaces rows, and lets the keyboard stay on the one that it was on.
function keep(list, rows) {
  const key = document.activeElement?.closest("[data-key]")?.dataset.key;
  const index = [
    ...(document.activeElement?.closest("[data-key]")?.querySelectorAll("a, button, input") ?? []),
  ].indexOf(document.activeElement);
  list.replaceChildren(...rows);
  filter();
  if (key === undefined || list.contains(document.activeElement)) return;
  const row = rows.find((row) => row.dataset.key === key);
  row?.querySelectorAll("a, button, input")[Math.max(0, index)]?.focus();
}

// ── Sign-in ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Takes a token that the address has brought, and removes it from there; true if the view comes again without it.
function takeToken() {
  const brought = /^#token=([^&]+)&?(.*)$/.exec(location.hash);
  if (!brought) return false;
  history.replaceState(null, "", `${location.pathname}${location.search}#${brought[2] || HOME}`);
  access.token = decodeURIComponent(brought[1]);
  show();
  return true;
}

let asking = null;

/// Asks for a token, once for all requests that lack one; answers whether there is one.
function ask(why) {
  asking ??= askOnce(why).finally(() => (asking = null));
  return asking;
}

async function askOnce(why) {
  const token = h("textarea", {
    rows: "5",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "none",
    class: "mono token",
  });
  const fault = h("p", { class: "fault", role: "alert" }, why);
  const content = h(
    "div",
    {},
    h(
      "p",
      {},
      "Paste an access token of somebody with the scope ",
      h("code", {}, "operations"),
      ". It stays in this tab, and is forgotten with it.",
    ),
    field("Access token", token, "On a local stack, cargo local up prints a link that brings one."),
    fault,
    choices(h("button", { class: "primary" }, "Sign in")),
  );
  const onsubmit = (element) => {
    const text = token.value.trim().replace(/^Bearer\s+/i, "");
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) {
      access.token = text;
      return element.close("yes");
    }
    fault.textContent = "This is no access token: three parts with dots between them.";
    token.focus();
  };
  const answer = dialog("Sign in", content, { onsubmit });
  token.focus();
  return (await answer) === "yes";
}

function tellWho() {
  const claims = access.claims;
  const [who, sign] = [document.getElementById("who"), document.getElementById("sign")];
  const left = claims?.exp ? claims.exp * 1_000 - Date.now() : null;
  who.textContent = access.token ? String(claims?.sub ?? "signed in") : "";
  who.title = left === null ? "" : left > 0 ? `The token lasts ${lasting(left)} more` : "The token has expired";
  sign.textContent = access.token ? "Sign out" : "Sign in";
  sign.hidden = false;
}

document.getElementById("sign").addEventListener("click", async () => {
  if (access.token) {
    access.token = null;
    main.replaceChildren(
      empty(
        "You are signed out",
        "The token is forgotten.",
        button("Sign in", async () => (await ask("")) && show(), { class: "primary" }),
      ),
    );
    current.abort();
  } else if (await ask("")) show();
});

// ── Search ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const rows = () => [...main.querySelectorAll(".rows > [data-key]")];

function filter() {
  const words = search.value.trim().toLowerCase().split(/\s+/);
  for (const row of rows()) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}

search.addEventListener("input", filter);

search.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = search.value.trim();
  const found = rows().filter((row) => !row.hidden);
  if (/^let_[a-z0-9]+$/.test(id)) location.hash = `#${at("/letters", id)}`;
  else if (kindOf(id)) location.hash = `#${at("/jobs", id)}`;
  else if (found.length > 0 && found.length < rows().length) found[0].querySelector(".main").focus();
  else if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) location.hash = `#${at("/orders", id)}`;
});

// ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const KEYS = [
  ["/", "Filter the list, or go to an order, a letter or a job"],
  ["j  k", "Next, previous row; the arrows do the same"],
  ["Enter", "Open the row"],
  ["x", "Choose the row"],
  ["e", "Edit the letter"],
  ["d", "Drop the letter, or those that are chosen"],
  ["r", "Send back what is chosen, the row, or all that is shown"],
  ["u", "Up: from a letter to all letters"],
  ["1 2 3 4 5", "Letters, orders, jobs, status, board"],
  ["?", "These keys"],
];

function help() {
  const isOff = h("input", { type: "checkbox", checked: localStorage.getItem(WITHOUT_KEYS) !== null });
  isOff.addEventListener("change", () =>
    isOff.checked ? localStorage.setItem(WITHOUT_KEYS, "yes") : localStorage.removeItem(WITHOUT_KEYS),
  );
  const keys = h(
    "dl",
    { class: "keys" },
    KEYS.map(([key, what]) =>
      h(
        "div",
        {},
        h(
          "dt",
          {},
          key
            .split(" ")
            .filter(Boolean)
            .map((one) => h("kbd", {}, one)),
        ),
        h("dd", {}, what),
      ),
    ),
  );
  const off = h("label", { class: "check" }, isOff, h("span", {}, "Single keys do nothing"));
  dialog("Keys", h("div", {}, keys, off, h("div", { class: "choices" }, h("button", { class: "primary" }, "Close"))));
}

document.getElementById("help").addEventListener("click", help);

function move(by) {
  const shown = rows().filter((row) => !row.hidden);
  const at = shown.indexOf(document.activeElement?.closest(".rows > [data-key]"));
  const next = shown[at === -1 ? (by > 0 ? 0 : shown.length - 1) : Math.min(shown.length - 1, Math.max(0, at + by))];
  next?.querySelector(".main").focus();
  next?.scrollIntoView({ block: "nearest" });
}

const row = () => document.activeElement?.closest(".rows > [data-key]");

/// Presses the button of that name: of what was chosen, else of the row, else of the view. A row with a box is chosen first.
function press(name) {
  const chosen = () => main.querySelector(`.chosen:not([hidden]) [data-act=${name}]`);
  if (!chosen() && name !== "edit") row()?.querySelector("input[type=checkbox]:enabled:not(:checked)")?.click();
  const found =
    chosen() ?? row()?.querySelector(`[data-act=${name}]`) ?? main.querySelector(`.actions [data-act=${name}]`);
  found?.click();
}

const up = () => (location.hash = main.querySelector(".crumbs a")?.getAttribute("href") ?? "#/");

const DOES = {
  "/": () => search.select(),
  "?": help,
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  x: () => row()?.querySelector("input[type=checkbox]")?.click(),
  e: () => press("edit"),
  d: () => press("drop"),
  r: () => press("redrive"),
  u: up,
  1: () => (location.hash = "#/"),
  2: () => (location.hash = "#/orders"),
  3: () => (location.hash = "#/jobs"),
  4: () => (location.hash = "#/status"),
  5: () => (location.hash = "#/board"),
};

addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && event.target === search) {
    search.value = "";
    filter();
    return main.focus();
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isArrow = event.key.startsWith("Arrow");
  // An arrow scrolls where there is something to scroll.
  if (isArrow && (rows().length === 0 || event.target.closest("pre, .diff, .scroll"))) return;
  if (!isArrow && localStorage.getItem(WITHOUT_KEYS) !== null) return;
  const act = DOES[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// ── Begin ───────────────────────────────────────────────────────────────────────────────────────────────────────────

addEventListener("hashchange", show);
onAccess(ask, tellWho);
tellWho();
setInterval(tellWho, 30_000);
show();
