// Makes a page of an order live: asks for it again and swaps what has changed, at each word of the socket, and without one every two
// seconds. For a customer who is signed in it brings the token, which the shop has put behind the # of the address. All words and all
// markup are the server's: nothing here makes any.

const TOKEN = "orderToken";
const LONGEST_MS = 60_000;
const PATIENCE_MS = 15_000;
const PING_MS = 300_000;

let main = document.querySelector("main");
const line = document.getElementById("line");

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Token of this tab, which is kept as long as the tab is. What the address brings is taken out of it.
function token() {
  const brought = /^#token=([^&]+)/.exec(location.hash);
  if (brought) {
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.setItem(TOKEN, decodeURIComponent(brought[1]));
  }
  return sessionStorage.getItem(TOKEN);
}

/// True of a guest's link, which counts by itself: a token that this tab has for something else would take its place.
const byLink = () => new URLSearchParams(location.search).has("access");

/// Answer to a request for a page: `{status, page, tag, url}`, without a page where there is nothing new.
function ask(method, url, { tag, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    // The one way to a document that makes no markup of a text.
    request.responseType = "document";
    request.timeout = PATIENCE_MS;
    request.setRequestHeader("Accept", "text/html");
    if (token() && !byLink()) request.setRequestHeader("Authorization", `Bearer ${token()}`);
    if (tag) request.setRequestHeader("If-None-Match", tag);
    request.onload = () => {
      const page = request.response?.querySelector("main");
      // What is over in a moment is no page to show.
      if (request.status >= 500 || request.status === 429 || (!page && request.status !== 304)) return reject(new Error(`The answer is ${request.status}.`));
      resolve({ status: request.status, page, tag: request.getResponseHeader("ETag"), url: request.responseURL });
    };
    request.onerror = request.ontimeout = () => reject(new Error("No answer."));
    request.send(body);
  });
}

// ── Display ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/// Writes times as they are here.
function localize(part) {
  for (const time of part.querySelectorAll("time")) {
    time.title = time.textContent;
    time.textContent = clock.format(new Date(time.dateTime));
  }
}

/// Makes `old` like `fresh`, and leaves alone what is the same: what has the focus keeps it, what is open stays open.
function merge(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const olds = [...old.childNodes];
  const freshes = [...fresh.childNodes];
  const isLike = (one, other) => one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
  freshes.forEach((node, at) => {
    const one = olds[at];
    if (one && isLike(one, node)) {
      if (node instanceof Element || node.attributes) merge(one, node);
      else if (one.data !== node.data) one.data = node.data;
      return;
    }
    const added = document.importNode(node, true);
    added.classList?.add("fresh");
    if (one) one.replaceWith(added);
    else old.append(added);
  });
  for (const one of olds.slice(freshes.length)) one.remove();
}

/// Shows a page; true if it is another than what was shown.
function show(page) {
  localize(page);
  if (main.dataset.view === page.dataset.view) {
    const before = main.textContent;
    merge(main, page);
    document.title = main.querySelector("h1").textContent;
    return before !== main.textContent;
  }
  const next = document.importNode(page, true);
  main.replaceWith(next);
  main = next;
  document.title = main.querySelector("h1").textContent;
  return true;
}

function tell(text) {
  if (line.textContent !== text) line.textContent = text;
}

// ── What is asked for ───────────────────────────────────────────────────────────────────────────────────────────────

let tag = null;
let seenAt = new Date();
let failures = 0;
let timer = null;
let isAsking = false;
let isAskedAgain = false;

/// Other tabs with this order: what one has seen change, the others look at.
const tabs = new BroadcastChannel(`order ${location.pathname}`);

async function look(isTold = false) {
  clearTimeout(timer);
  if (isAsking) {
    isAskedAgain = true;
    return;
  }
  isAsking = true;
  const { href } = location;
  try {
    const answer = await ask("GET", href, { tag });
    failures = 0;
    seenAt = new Date();
    // Another view was gone to meanwhile.
    if (href === location.href) {
      tag = answer.tag;
      if (answer.page && show(answer.page) && !isTold) tabs.postMessage("changed");
    }
    if (answer.status === 401) sessionStorage.removeItem(TOKEN);
  } catch {
    failures += 1;
  }
  isAsking = false;
  plan();
}

/// Plans the next look: as soon as the page says, later where nobody sees it, and later after each failure.
function plan() {
  clearTimeout(timer);
  if (isAskedAgain) {
    isAskedAgain = false;
    return look();
  }
  const pace = Number(main.dataset.pace ?? 0) * 1_000;
  tell(failures > 0 ? `${line.dataset.cut} ${clock.format(seenAt)}.` : pace ? line.dataset.live : "");
  if (!pace) return;
  const times = 2 ** Math.min(failures, 5) * (document.hidden ? 10 : 1);
  const most = Math.max(pace, LONGEST_MS);
  timer = setTimeout(look, hears && failures === 0 ? most : Math.min(pace * times, most));
  listen();
}

// ── What is heard ───────────────────────────────────────────────────────────────────────────────────────────────────

const address = line.dataset.socket;
let socket = null;
let hears = false;
let losses = 0;
let listenAt = 0;

/// Hears of what happens to the order, by graphql-transport-ws. What is heard says no more than that it is worth a look, so that there
/// is nothing to miss: whoever begins to hear looks, and whoever hears no more. Whoever is refused waits to be woken, or for another token.
function listen() {
  if (!address || socket || document.hidden || !navigator.onLine || main.dataset.view !== "order" || Date.now() < listenAt) return;
  let own;
  try {
    own = socket = new WebSocket(address, "graphql-transport-ws");
  } catch {
    listenAt = Infinity;
    return;
  }
  let openedAt = Infinity;
  let isRefused = false;
  const say = (message) => own.readyState === WebSocket.OPEN && own.send(JSON.stringify(message));
  const id = location.pathname.split("/").at(-1);
  const payload = byLink() ? { order: id, access: new URLSearchParams(location.search).get("access") } : { token: token() ?? undefined };
  const query = "subscription ($id: ID!) { order(id: $id) { sequence } }";
  const ping = setInterval(() => say({ type: "ping" }), PING_MS);
  own.onopen = () => {
    openedAt = Date.now();
    say({ type: "connection_init", payload });
  };
  own.onmessage = ({ data }) => {
    const { type } = JSON.parse(data);
    if (type === "connection_ack") say({ id: "1", type: "subscribe", payload: { query, variables: { id } } });
    else if (type === "ping") say({ type: "pong" });
    else if (type === "next") {
      hears = true;
      look();
    } else if (type !== "pong") {
      isRefused = type === "error";
      own.close();
    }
  };
  own.onclose = () => {
    clearInterval(ping);
    if (socket !== own) return;
    socket = null;
    // One that is lost as soon as it is there is no success.
    losses = Date.now() - openedAt < LONGEST_MS ? losses + 1 : 1;
    listenAt = isRefused ? Infinity : Date.now() + Math.min(500 * 2 ** losses * (0.5 + Math.random()), LONGEST_MS);
    if (hears) {
      hears = false;
      look();
    }
  };
}

/// Hears no more: of what nobody sees, offline, or of another view.
function hush() {
  const own = socket;
  socket = null;
  hears = false;
  own?.close();
}

/// Goes to another view of the order in the same page, for only this page has the token.
async function go(method, url, body) {
  clearTimeout(timer);
  try {
    const answer = await ask(method, url, { body });
    if (answer.url !== location.href) {
      hush();
      history.pushState(null, "", answer.url);
    }
    tag = answer.tag;
    show(answer.page);
    // What was pressed may be gone: the keyboard and a reader of screens begin with what is new.
    main.focus();
    tabs.postMessage("changed");
    failures = 0;
    plan();
  } catch {
    plan();
    tell(line.dataset.failed);
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  go(form.method.toUpperCase(), form.action, new URLSearchParams(new FormData(form))).finally(() => {
    button.disabled = false;
  });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-within]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go("GET", link.href);
});

// A page that was asleep, away or offline begins with a look.
const wake = () => {
  if (document.hidden) hush();
  else listenAt = 0;
  if (!document.hidden) look();
  else plan();
};
addEventListener("popstate", () => {
  hush();
  tag = null;
  look();
});
addEventListener("hashchange", () => {
  if (!token()) return;
  listenAt = 0;
  look();
});
addEventListener("online", wake);
addEventListener("offline", () => {
  hush();
  failures = Math.max(failures, 1);
  plan();
});
addEventListener("pageshow", (event) => event.persisted && wake());
document.addEventListener("visibilitychange", wake);
tabs.addEventListener("message", () => look(true));

localize(main);
if (token() && main.dataset.view === "nobody") look();
else plan();
