// What all views need: requests, elements, times.

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The API, whatever stage or base path stands before it.
const API = new URL(location.pathname.replace(/(console|board)\/?$/, ""), location.origin);

const TOKEN = "consoleToken";

/// Failure of a request, as RFC 9457 has it.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The answer is ${status}.`);
    this.status = status;
    this.title = body.title ?? "";
    this.errors = body.errors ?? [];
  }
}

/// Access token of this tab, which is kept as long as the tab is.
export const access = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  set token(token) {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
    changedAccess();
  },
  /// Claims of the token, for display alone: the API verifies it.
  get claims() {
    try {
      const part = this.token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
    } catch {
      return null;
    }
  },
};

let changedAccess = () => {};
let askForToken = async () => false;

/// Tells requests whom to ask for a token, and whom to tell that there is another.
export function onAccess(ask, changed) {
  askForToken = ask;
  changedAccess = changed;
}

/// Answer to a request: `{body, etag}`. A refused token is asked for anew, and the request made again, so that nothing
/// that was typed is lost with it.
export async function request(method, path, { query = {}, body, ifMatch, signal } = {}) {
  for (;;) {
    const token = access.token;
    const response = await send(method, path, { query, body, ifMatch, signal, token });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return { body: answer, etag: response.headers.get("ETag") };
    const problem = new Problem(response.status, answer);
    if (response.status !== 401 || signal?.aborted) throw problem;
    // Another request may have asked meanwhile.
    if (token === access.token && !(await askForToken(token ? problem.message : ""))) throw problem;
  }
}

async function send(method, path, { query, body, ifMatch, signal, token }) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ifMatch) headers["If-Match"] = ifMatch;
  try {
    return await fetch(url, { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "No answer", detail: "The API does not answer. Is this machine online?" });
  }
}

/// Path with a part that comes from outside.
export const at = (path, part) => `${path}/${encodeURIComponent(part)}`;

/// Link to a view with a query.
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

// ── Elements ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Element with attributes and children. Strings become text, never markup; `on…` are listeners.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "hidden"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const STATES = {
  waiting: "Waiting",
  sent: "Sent back",
  handled: "Handled",
  parkedAgain: "Failed again",
  dropped: "Dropped",
  late: "Late",
  running: "Running",
  done: "Done",
  stopped: "Stopped",
  relapsed: "Stopped at a relapse",
};

/// State as a word with a colour.
export function badge(state) {
  return h("span", { class: "badge", "data-state": state }, STATES[state] ?? state);
}

/// Class of a failure, with what it means.
export function classOf(name) {
  const means = {
    permanent: "It can never succeed as it is",
    exhausted: "A passing cause did not pass",
    none: "The function died, or never ran: SQS itself has moved it",
  };
  return h("span", { class: "class", title: means[name] }, name === "none" ? "no word" : name);
}

export const button = (text, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, text);

/// Labelled field.
export function field(label, input, hint) {
  input.id ||= `field-${(fields += 1)}`;
  const described = hint && `${input.id}-hint`;
  if (described) input.setAttribute("aria-describedby", described);
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint && h("p", { class: "hint", id: described }, hint),
  );
}

let fields = 0;

/// Checkbox with its label.
export function check(label, input, hint) {
  return h("label", { class: "check" }, input, h("span", {}, label, hint && h("span", { class: "hint" }, hint)));
}

/// Names with values, without those that are empty.
export function facts(rows) {
  const given = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h(
    "dl",
    { class: "facts" },
    given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/// Message in the place of a view's content.
export function empty(title, text, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text), more);
}

/// Error in the place of what it was to be, with a way on.
export function failed(problem, retry) {
  const what =
    problem.status === 403
      ? ["You may not see this", `${problem.message} Sign in as somebody who may.`]
      : problem.status === 404
        ? ["There is no such thing", problem.message]
        : [problem.title || "It did not work out", problem.message];
  return h(
    "div",
    { class: problem.status === 404 ? "empty" : "empty fault", role: "alert" },
    h("p", { class: "empty-title" }, what[0]),
    h("p", {}, what[1]),
    retry && problem.status !== 404 && button("Try again", retry),
  );
}

/// Replaces what is in a box, and lets the keyboard stay where it was.
export function redraw(box, ...nodes) {
  const all = () => [...box.querySelectorAll("a, button, input, [tabindex]")];
  const index = all().indexOf(document.activeElement);
  box.replaceChildren(...nodes.filter(Boolean));
  if (index >= 0) all()[index]?.focus({ preventScroll: true });
}

/// Says something to who cannot see it change.
export function say(text) {
  document.getElementById("said").textContent = text;
}

/// Dialog that is modal, and returns what it is closed with: "" where nothing was decided.
export function dialog(title, content, { onsubmit } = {}) {
  const id = `dialog-${(fields += 1)}`;
  const form = h("form", { method: "dialog", novalidate: true }, h("h2", { id }, title), content);
  const element = h("dialog", { "aria-labelledby": id }, form);
  const before = document.activeElement;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (onsubmit) onsubmit(element);
    else element.close("yes");
  });
  document.body.append(element);
  element.showModal();
  return new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      if (before?.isConnected) before.focus();
      resolve(element.returnValue);
    });
  });
}

/// Row of buttons that ends a dialog.
export const choices = (...buttons) =>
  h(
    "div",
    { class: "choices" },
    button("Cancel", (event) => event.target.closest("dialog").close("")),
    buttons,
  );

// ── Numbers and times ───────────────────────────────────────────────────────────────────────────────────────────────

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/// Length of time in words: "2 d 3 h", "1 h 58 min", "12 min", "1.5 s".
export function lasting(ms) {
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
  const both = (size, unit, smaller, smallerUnit) => {
    const rest = Math.floor((ms % size) / smaller);
    return `${Math.floor(ms / size)} ${unit}${rest ? ` ${rest} ${smallerUnit}` : ""}`;
  };
  if (ms >= day) return both(day, "d", hour, "h");
  if (ms >= hour) return both(hour, "h", minute, "min");
  if (ms >= minute) return `${Math.floor(ms / minute)} min`;
  if (ms >= 10_000) return `${Math.floor(ms / 1_000)} s`;
  return ms >= 1_000 ? `${Math.round(ms / 100) / 10} s` : `${ms} ms`;
}

export const exact = (iso) => `${iso.replace("T", " ").replace("Z", "")} UTC`;

function ago(iso) {
  const ms = Date.now() - Date.parse(iso);
  return ms < 1_000 ? "now" : `${lasting(Math.floor(ms / 1_000) * 1_000)} ago`;
}

/// Time, relative and exact.
export function when(iso, { withExact = false } = {}) {
  if (Number.isNaN(Date.parse(iso))) return h("span", {}, String(iso ?? "unknown"));
  const time = h("time", { datetime: iso, title: exact(iso), "data-ago": true }, ago(iso));
  return withExact ? h("span", {}, time, h("span", { class: "exact" }, exact(iso))) : time;
}

/// Time that is to come, relative, and exact in its title.
export function due(iso) {
  const ms = Date.parse(iso) - Date.now();
  return h("time", { datetime: iso, title: exact(iso) }, ms < 1_000 ? "now" : `in ${lasting(Math.ceil(ms / 1_000) * 1_000)}`);
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) time.textContent = ago(time.dateTime);
}, 10_000);

/// Calls `task` now and again while the page is seen and nothing has aborted it; `task` answers false when it is done.
export async function poll(task, pauseMs, signal) {
  while (!signal.aborted) {
    if (!document.hidden && (await task()) === false) return;
    await pause(pauseMs, signal);
  }
}

/// Waits for so long, or until the page is seen or hidden, or the signal comes.
function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      document.removeEventListener("visibilitychange", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    document.addEventListener("visibilitychange", end);
  });
}
