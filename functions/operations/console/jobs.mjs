// Jobs: redrives, replays and reconciliations, with their progress.

import {
  at,
  badge,
  button,
  check,
  choices,
  count,
  dialog,
  empty,
  failed,
  field,
  h,
  link,
  poll,
  redraw,
  request,
  say,
  when,
} from "./common.mjs";

/// Pause between two looks at a job.
const LOOK_MS = 2_000;

/// Jobs that are remembered in this browser, the newest first. The API has no list of them.
const REMEMBERED = 20;

const JOBS = "jobs";

const KINDS = {
  red: { path: "operations/redrives", name: "Redrive", parts: redriven },
  rep: { path: "operations/replays", name: "Replay", parts: replayed },
  rec: { path: "operations/reconciliations", name: "Reconciliation", parts: reconciliation },
};

/// Kind of a job by its id; none of what is no id of a job.
export const kindOf = (id) => KINDS[/^(re[dpc])_[a-z0-9]+$/.exec(id)?.[1]];

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(JOBS)) ?? [];
  } catch {
    return [];
  }
}

/// Keeps the id of a job for the list.
export function remember(id) {
  const others = remembered().filter((other) => other !== id);
  localStorage.setItem(JOBS, JSON.stringify([id, ...others].slice(0, REMEMBERED)));
}

/// True while a job does something, or waits for what has become of its letters.
function isActive(job) {
  return job.state === "running" || (kindOf(job.id ?? "") === KINDS.red && openOf(job) > 0);
}

/// Letters that were sent, and of which nothing has been heard.
const openOf = ({ sent = 0, handled = 0, parkedAgain = 0 }) => Math.max(0, sent - handled - parkedAgain);

// ── One job ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A job and its progress, which is looked at as long as there is any.
export async function job(view) {
  const kind = kindOf(view.id);
  const box = h("div", { class: "job", "aria-busy": kind ? "true" : null });
  const title = kind ? kind.name : "Job";
  view.show(
    `${title} ${view.id}`,
    h("p", { class: "crumbs" }, h("a", { href: "#/jobs" }, "Jobs"), " / ", h("span", { class: "mono" }, view.id)),
    h("h1", {}, title),
    box,
  );
  if (!kind)
    return box.replaceChildren(empty("There is no such job", "The id of a job begins with red_, rep_ or rec_."));
  const path = at(kind.path, view.id);
  let last = "";
  const look = async () => {
    try {
      const { body } = await request("GET", path, { signal: view.signal });
      remember(view.id);
      draw(body);
      return isActive(body);
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      box.removeAttribute("aria-busy");
      box.replaceChildren(failed(problem, () => view.again()));
      return problem.status === 0 || problem.status >= 500;
    }
  };
  const draw = (told) => {
    box.removeAttribute("aria-busy");
    const stop =
      told.state === "running" &&
      button("Stop", () => stopJob(path, look), { class: "danger-quiet", "data-act": "stop" });
    redraw(box, ...kind.parts(told, stop));
    if (told.state !== last && last) say(`The job is ${told.state}.`);
    last = told.state;
  };
  await poll(look, LOOK_MS, view.signal);
}

async function stopJob(path, look) {
  const text = "What was sent is sent, and its fate is told. Nothing more is sent.";
  const answer = await dialog(
    "Stop the job",
    h("div", {}, h("p", {}, text), choices(h("button", { class: "danger" }, "Stop it"))),
  );
  if (answer !== "yes") return;
  try {
    await request("DELETE", path);
    say("The job is stopped.");
  } catch (problem) {
    say(problem.message);
  }
  await look();
}

/// Head of a job: its state, whose it is, and what can be done about it.
function headOf(told, stop, ...more) {
  return h(
    "div",
    { class: "head" },
    h(
      "p",
      { class: "meta" },
      badge(told.state),
      more,
      h("span", {}, `by ${told.by}`),
      when(told.at, { withExact: true }),
    ),
    h("div", { class: "actions" }, stop),
  );
}

function redriven(told, stop) {
  const { total, handled, parkedAgain, left } = told;
  const open = openOf(told);
  const changed = total - handled - parkedAgain - open - left;
  const parts = [
    ["handled", "Handled", handled],
    ["parkedAgain", "Failed again", parkedAgain],
    ["sent", "No word yet", open],
    ["waiting", "Left", left],
    ...(changed > 0 ? [["dropped", "Changed since", changed]] : []),
  ];
  return [
    headOf(told, stop),
    h(
      "p",
      { class: "lead" },
      `${sentence(told, open)} `,
      parkedAgain > 0 && h("a", { href: link("/letters", { state: "parkedAgain" }) }, "See what failed again"),
    ),
    bar(parts, total, `${handled} of ${total} handled`),
    numbers(total, parts),
  ];
}

function replayed(told, stop) {
  const { service, total, sent, handled, parkedAgain, refused, left } = told;
  const parts = [
    ["handled", "Handled", handled],
    ["parkedAgain", "Became letters", parkedAgain],
    ["dropped", "Refused, not sent", refused],
    ["waiting", "Not known yet", left],
  ];
  const rest = told.state === "running" ? "Counted as it goes on." : "What it had handled before was not sent.";
  return [
    headOf(told, stop, h("b", {}, service)),
    h(
      "p",
      { class: "lead" },
      `${count(sent, "event")} sent to ${service}. ${rest} `,
      parkedAgain > 0 && h("a", { href: link("/letters", { service }) }, "See its letters"),
    ),
    bar(parts, total, `${handled} of ${total} handled`),
    numbers(total, parts),
  ];
}

function numbers(total, parts) {
  const number = (state, name, value) =>
    h("div", { "data-state": state }, h("dt", {}, name), h("dd", {}, value.toLocaleString("en")));
  return h(
    "dl",
    { class: "numbers" },
    number(null, "All", total),
    parts.map((part) => number(...part)),
  );
}

function sentence({ state, total, sent, left }, open) {
  if (state === "relapsed")
    return `One failed again, so the others stay where they are: ${count(left, "letter")} left.`;
  if (state === "stopped") return `Somebody has stopped it: ${count(left, "letter")} left.`;
  if (state === "running")
    return sent === 0 ? `It begins within a minute, with ${count(total, "letter")}.` : `${count(left, "letter")} left.`;
  return open
    ? `All are sent. Of ${count(open, "letter")} nothing has been heard yet.`
    : "All are sent, and their fate is known.";
}

function bar(parts, total, label) {
  const element = h("div", { class: "progress", role: "img", "aria-label": label });
  for (const [state, , number] of parts) {
    const part = h("span", { "data-state": state });
    part.style.flexGrow = total ? number / total : 0;
    if (number > 0) element.append(part);
  }
  return element;
}

function reconciliation(told, stop) {
  const finding = (one) =>
    h(
      "li",
      {},
      h("span", { class: "badge", "data-state": one.healed ? "handled" : "waiting" }, one.healed ? "Healed" : "Open"),
      h(
        "div",
        { class: "what" },
        one.orderId
          ? h("a", { class: "main mono", href: `#${at("/orders", one.orderId)}` }, one.orderId)
          : h("span", { class: "main" }, one.kind),
        h(
          "p",
          { class: "meta" },
          one.service && h("b", {}, one.service),
          h("span", {}, one.kind),
          h("span", { class: "reason" }, one.detail),
        ),
      ),
    );
  const { checked, findings, untold = 0 } = told;
  return [
    headOf(told, stop),
    h(
      "p",
      { class: "lead" },
      `${count(checked, "row or event", "rows and events")} compared, ${count(findings.length + untold, "finding")}.`,
    ),
    findings.length > 0 && h("ul", { class: "rows findings" }, findings.map(finding)),
    untold > 0 && h("p", { class: "soft" }, `${count(untold, "finding")} more: mend these first.`),
    findings.length === 0 &&
      told.state === "done" &&
      empty("Nothing is amiss", "What the services have on record agrees."),
  ];
}

// ── All jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Jobs that were begun or looked at in this browser, and new ones.
export async function jobs(view) {
  const list = h("ul", { class: "rows jobs" });
  view.show(
    "Jobs",
    h(
      "div",
      { class: "head" },
      h(
        "div",
        {},
        h("h1", {}, "Jobs"),
        h("p", { class: "lead" }, "They run in the stack, whether anybody looks or not."),
      ),
      h("div", { class: "actions" }, button("Replay…", replay), button("Reconcile…", reconcile)),
    ),
    list,
  );
  const ids = remembered();
  if (ids.length === 0) {
    return list.replaceChildren(
      h(
        "li",
        { class: "whole" },
        empty(
          "No jobs yet",
          "Those that you begin or look at in this browser are listed here. A letter's history names its jobs, too.",
        ),
      ),
    );
  }
  const told = new Map();
  const look = async () => {
    await Promise.all(
      ids
        .filter((id) => !told.has(id) || isActive(told.get(id)))
        .map(async (id) => {
          try {
            told.set(id, (await request("GET", at(kindOf(id).path, id), { signal: view.signal })).body);
          } catch (problem) {
            if (problem.name !== "AbortError")
              told.set(id, { state: problem.status === 404 ? "gone" : "not known", problem: problem.message });
          }
        }),
    );
    if (view.signal.aborted) return false;
    view.keep(
      list,
      ids.map((id) => jobRow(id, told.get(id))),
    );
    return [...told.values()].some(isActive);
  };
  view.keep(
    list,
    ids.map((id) => jobRow(id)),
  );
  await poll(look, LOOK_MS, view.signal);
}

function jobRow(id, told) {
  const { name } = kindOf(id);
  return h(
    "li",
    { "data-key": id },
    h(
      "div",
      { class: "what" },
      h("a", { class: "main mono", href: `#${at("/jobs", id)}` }, id),
      h(
        "p",
        { class: "meta" },
        h("b", {}, name),
        told?.service && h("span", {}, told.service),
        h("span", {}, inShort(told)),
      ),
    ),
    told ? badge(told.state) : "",
    h("span", { class: "since" }, told?.at ? when(told.at) : ""),
  );
}

function inShort(told) {
  if (!told) return "…";
  if (told.problem) return told.problem;
  if (told.findings) return count(told.findings.length + (told.untold ?? 0), "finding");
  const { handled, total, parkedAgain, left } = told;
  return `${handled} of ${total} handled${parkedAgain ? `, ${parkedAgain} failed again` : ""}${left ? `, ${left} left` : ""}`;
}

async function services() {
  const names = async (path, list) => (await request("GET", path)).body[list].map(({ service }) => service);
  const found = await Promise.allSettled([names("operations/status", "queues"), names("operations/groups", "groups")]);
  return [...new Set(found.flatMap(({ value }) => value ?? []))].sort();
}

async function replay() {
  const list = h("datalist", { id: "services" });
  const text = (more = {}) =>
    h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "none", ...more });
  const [service, order, type] = [text({ required: true, list: "services" }), text(), text()];
  const [from, to] = [h("input", { type: "datetime-local" }), h("input", { type: "datetime-local" })];
  const rate = h("input", { type: "number", min: "1", max: "1000", placeholder: "no limit" });
  const body = () => ({
    service: service.value.trim(),
    order: order.value.trim() || undefined,
    type: type.value.trim() || undefined,
    from: utc(from),
    to: utc(to),
    ratePerSecond: rate.value ? Number(rate.value) : undefined,
  });
  const content = [
    h("p", {}, "A service gets events of the journal once more. What it has handled it knows, and does nothing."),
    list,
    field("Service", service),
    h("div", { class: "pair" }, field("From (UTC)", from), field("To (UTC)", to)),
    h("div", { class: "pair" }, field("Order", order, "Empty: all"), field("Type of event", type, "Empty: all")),
    field("Events a second, at the most", rate),
  ];
  services().then(
    (names) => list.append(...names.map((value) => h("option", { value }))),
    () => {},
  );
  const lacking = () => {
    if (!service.value.trim()) return "Name the service.";
    return from.value || order.value.trim() ? "" : "Name an order, or say from when.";
  };
  await start("Replay", content, "Replay", "operations/replays", body, lacking, "event");
}

async function reconcile() {
  const from = h("input", { type: "datetime-local" });
  const heal = h("input", { type: "checkbox" });
  const content = [
    h(
      "p",
      {},
      "Compares what the services, the provider and the carrier have on record, and what has come of it. What is younger than ten minutes is under way, and left alone.",
    ),
    field("From (UTC)", from, "Empty: the last 24 hours."),
    check("Heal what can be healed", heal, "What has got lost is published and sent once more."),
  ];
  const body = () => ({ from: utc(from), heal: heal.checked || undefined });
  await start("Reconcile", content, "Begin", "operations/reconciliations", body, () => "");
}

/// Time of a field, which has no zone of its own.
const utc = ({ value }) => (value ? new Date(`${value}Z`).toISOString() : undefined);

/// Asks for a job, and shows it. Where there are things to be counted it is counted first, and asked for by a second press.
async function start(title, content, act, path, body, lacking, counted) {
  const told = h("p", { class: "total", role: "status" });
  const fault = h("div", { class: "fault", role: "alert" });
  const press = h("button", { class: "primary" }, counted ? "Count" : act);
  const place = h("div", {}, content, told, fault, choices(press));
  let [id, isCounted] = ["", !counted];
  place.addEventListener("input", () => {
    isCounted = !counted;
    press.textContent = counted ? "Count" : act;
    told.textContent = "";
  });
  const onsubmit = async (element) => {
    const lack = lacking();
    fault.textContent = lack;
    if (lack) return;
    press.disabled = true;
    try {
      const taken = (await request("POST", path, { body: { ...body(), dryRun: isCounted ? undefined : true } })).body;
      if (!isCounted) {
        told.replaceChildren(h("b", {}, count(taken.total, counted)), " in all. What was handled is not sent.");
        press.textContent = `${act} ${count(taken.total, counted)}`;
        isCounted = true;
      } else {
        id = taken.id;
        remember(id);
        element.close("yes");
      }
    } catch (problem) {
      const text = problem.status === 404 ? "This stack does not offer that." : problem.message;
      const faults =
        problem.errors?.map(({ pointer, detail }) => h("li", {}, h("code", {}, pointer), ` ${detail}`)) ?? [];
      fault.replaceChildren(h("p", {}, text), h("ul", {}, faults));
    }
    press.disabled = false;
    press.focus();
  };
  if ((await dialog(title, place, { onsubmit })) === "yes") location.hash = `#${at("/jobs", id)}`;
}
