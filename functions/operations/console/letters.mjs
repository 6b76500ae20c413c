// Dead letters in groups, the letters of a group, and sending them back.

import { at, badge, button, check, choices, classOf, count, dialog, empty, facts, failed, field } from "./common.mjs";
import { h, link, poll, Problem, request, say, when } from "./common.mjs";
import { remember } from "./jobs.mjs";

/// Pause between two looks at the groups, each of which reads all open letters.
const LOOK_MS = 30_000;

const OPEN = ["waiting", "parkedAgain"];

const STATES = [
  ["", "Open"],
  ["waiting", "Waiting"],
  ["parkedAgain", "Failed again"],
  ["sent", "Sent back"],
  ["handled", "Handled"],
  ["dropped", "Dropped"],
  ["any", "Any state"],
];

// ── Groups ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Groups of the letters about which something has to be done.
export async function groups(view) {
  const { service } = view.query;
  const sum = h("p", { class: "lead" }, "\u00a0");
  const tabs = h("nav", { class: "tabs", "aria-label": "Services" });
  const list = h("ul", { class: "rows groups", "aria-busy": "true" });
  const all = h("div", { class: "actions later" });
  view.show("Letters", h("div", { class: "head" }, h("div", {}, h("h1", {}, "Letters"), sum), all), tabs, list);
  const look = async () => {
    try {
      const { body } = await request("GET", "operations/groups", { signal: view.signal });
      draw(body.groups);
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      list.replaceChildren(h("li", { class: "whole" }, failed(problem, look)));
      sum.textContent = "\u00a0";
    }
    list.removeAttribute("aria-busy");
    return true;
  };
  const draw = (found) => {
    const shown = found.filter((group) => !service || group.service === service);
    const letters = (some) => some.reduce((sum, group) => sum + group.count, 0);
    const oldest = shown.map((group) => group.oldest).sort()[0];
    sum.replaceChildren(
      ...(shown.length
        ? [`${count(letters(shown), "letter")} in ${count(shown.length, "group")}, the oldest `, when(oldest)]
        : ["\u00a0"]),
    );
    const services = [...new Set(found.map((group) => group.service))].sort();
    const tab = (name, text, number) =>
      h(
        "a",
        { href: link("/", { service: name }), "aria-current": (service ?? "") === name ? "page" : null },
        text,
        h("span", { class: "number" }, String(number)),
      );
    const of = (name) => letters(found.filter((group) => group.service === name));
    tabs.replaceChildren(
      ...(found.length ? [tab("", "All", letters(found)), ...services.map((name) => tab(name, name, of(name)))] : []),
    );
    const concerned = service ? [service] : services;
    all.replaceChildren(
      ...(shown.length
        ? [
            button(service ? `Send back all of ${service}…` : "Send back all…", () =>
              redrive(concerned.map((name) => ({ service: name }))),
            ),
          ]
        : []),
    );
    view.keep(list, shown.length ? shown.map(groupRow) : [none(service)]);
  };
  await poll(look, LOOK_MS, view.signal);
}

function none(service) {
  const text = service ? `No letters of ${service}: nothing of it is stuck.` : "No letters: nothing is stuck.";
  const more = "What a service cannot handle appears here, with the reason.";
  return h(
    "li",
    { class: "whole" },
    empty(text, more, h("p", {}, h("a", { href: link("/letters", { state: "any", service }) }, "Letters of the past"))),
  );
}

function groupRow(group) {
  const { service, type, class: kind, reason } = group;
  const selection = { service, type, class: kind, reason };
  return h(
    "li",
    { "data-key": JSON.stringify(selection) },
    h("span", { class: "count" }, group.count.toLocaleString("en")),
    h(
      "div",
      { class: "what" },
      h("a", { class: "main", href: link("/letters", selection) }, reason || "No reason was given"),
      h("p", { class: "meta" }, h("b", {}, service), h("span", {}, type ?? "no event"), classOf(kind)),
    ),
    h("span", { class: "since" }, h("span", { class: "label" }, "oldest "), when(group.oldest)),
    button("Send back…", () => redrive([selection], group), {
      "aria-label": `Send back ${count(group.count, "letter")} of ${service}: ${reason}`,
      class: "small",
      "data-act": "redrive",
    }),
  );
}

// ── Letters of a group ──────────────────────────────────────────────────────────────────────────────────────────────

/// Letters that have in common what the query says.
export async function letters(view) {
  const { state = "", ...selection } = view.query;
  const chosen = new Map();
  const list = h("ul", { class: "rows letters", "aria-busy": "true" });
  const foot = h("div", { class: "foot" });
  const bar = h("div", { class: "chosen", hidden: true });
  const choose = h("select", {
    onchange: (event) => view.go(link("/letters", { ...selection, state: event.target.value })),
  });
  choose.append(...STATES.map(([value, text]) => h("option", { value, selected: value === state }, text)));
  const canRedrive = selection.service && !selection.order && OPEN.concat("").includes(state);
  const { service, type, class: kind, reason } = selection;
  const actions = h(
    "div",
    { class: "actions" },
    h("label", { class: "inline" }, "State ", choose),
    canRedrive &&
      button("Send back all…", () => redrive([{ service, type, class: kind, reason }]), {
        class: "primary",
        "data-act": "redrive",
      }),
  );
  const title =
    reason ||
    (selection.order ? `Letters about ${selection.order}` : service ? `Letters of ${service}` : "All letters");
  view.show(
    title,
    h("p", { class: "crumbs" }, h("a", { href: link("/", { service }) }, "Letters"), service ? ` / ${service}` : ""),
    h(
      "div",
      { class: "head" },
      h(
        "div",
        {},
        h("h1", { class: "long" }, title),
        h("p", { class: "meta" }, type && h("span", {}, type), kind && classOf(kind)),
      ),
      actions,
    ),
    list,
    foot,
    bar,
  );
  const select = (letter, isChosen) => {
    if (isChosen) chosen.set(letter.id, letter);
    else chosen.delete(letter.id);
    const ids = [...chosen.keys()];
    bar.hidden = ids.length === 0;
    bar.replaceChildren(
      h("span", {}, `${count(ids.length, "letter")} chosen`),
      button("Drop…", () => dropAll(ids, view), { "data-act": "drop" }),
      button("Send back…", () => redrive([{ letters: ids }]), { class: "primary", "data-act": "redrive" }),
    );
  };
  const states = state === "any" ? [undefined] : state ? [state] : OPEN;
  let cursors = states.map((state) => ({ state, after: "" }));
  const rows = [];
  const more = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      const pages = await Promise.all(
        cursors.map((cursor) =>
          request("GET", "operations/letters", { query: { ...selection, ...cursor }, signal: view.signal }),
        ),
      );
      rows.push(...pages.flatMap(({ body }) => body.letters));
      rows.sort((one, other) => one.failedAt.localeCompare(other.failedAt) || one.id.localeCompare(other.id));
      cursors = cursors
        .map((cursor, index) => ({ ...cursor, after: pages[index].body.next }))
        .filter(({ after }) => after);
      view.keep(
        list,
        rows.length
          ? rows.map((letter) => letterRow(letter, select, chosen.has(letter.id), selection))
          : [noneSuch(cursors, state)],
      );
      foot.replaceChildren(...(cursors.length ? [button("Show more", more)] : []));
      say(count(rows.length, "letter"));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      list.replaceChildren(h("li", { class: "whole" }, failed(problem, more)));
    }
    list.removeAttribute("aria-busy");
  };
  await more();
}

function noneSuch(cursors, state) {
  if (cursors.length)
    return h("li", { class: "whole" }, empty("None so far", "There are more letters to look through."));
  const text = state === "" ? "What there was is sent back, handled or dropped." : "";
  return h("li", { class: "whole" }, empty("No such letters", text, h("p", {}, h("a", { href: "#/" }, "All groups"))));
}

/// Row of a letter, without what is known of all in the list.
function letterRow(letter, select, isChosen, known = {}) {
  const isOpen = OPEN.includes(letter.state);
  const name = letter.orderId ?? letter.id;
  return h(
    "li",
    { "data-key": letter.id },
    h("input", {
      type: "checkbox",
      disabled: !isOpen,
      checked: isChosen,
      "aria-label": `Choose ${name}`,
      onchange: (event) => select(letter, event.target.checked),
    }),
    h(
      "div",
      { class: "what" },
      h("a", { class: "main mono", href: `#${at("/letters", letter.id)}` }, name),
      h(
        "p",
        { class: "meta" },
        !known.service && h("b", {}, letter.service),
        !known.type && h("span", {}, letter.type ?? "no event"),
        h("span", { class: "reason" }, letter.reason || "No reason was given"),
      ),
    ),
    badge(letter.state),
    h("span", { class: "since" }, when(letter.failedAt)),
  );
}

/// Letters of an order, as a part of another view.
export function letterList(found) {
  return h(
    "ul",
    { class: "rows letters plain" },
    found.map((letter) => {
      const row = letterRow(letter, () => {}, false);
      row.firstChild.remove();
      return row;
    }),
  );
}

// ── Drop ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Asks why, and answers it; "" where somebody thinks better of it.
export async function askWhy(title, text, act, kind = "danger") {
  const why = h("input", { type: "text", required: true, maxlength: "200", autocomplete: "off" });
  const fault = h("p", { class: "fault", role: "alert" });
  const content = h(
    "div",
    {},
    h("p", {}, text),
    field("Why", why, "It is on record with your name."),
    fault,
    choices(h("button", { class: kind }, act)),
  );
  const onsubmit = (element) => {
    if (why.value.trim()) return element.close("yes");
    fault.textContent = "Say why: who reads the letter later wants to know.";
    why.focus();
  };
  const answer = dialog(title, content, { onsubmit });
  why.focus();
  return (await answer) === "yes" ? why.value.trim() : "";
}

async function dropAll(ids, view) {
  const text = "Nothing is done about what is dropped. It stays readable, and is not sent back any more.";
  const why = await askWhy(`Drop ${count(ids.length, "letter")}`, text, `Drop ${count(ids.length, "letter")}`);
  if (!why) return;
  const faults = [];
  for (const id of ids) {
    try {
      await request("DELETE", at("operations/letters", id), { body: { why } });
    } catch (problem) {
      faults.push(`${id}: ${problem.message}`);
    }
  }
  say(`${count(ids.length - faults.length, "letter")} dropped.`);
  if (faults.length)
    await dialog(
      "Not all are dropped",
      h(
        "div",
        {},
        h(
          "ul",
          {},
          faults.map((fault) => h("li", {}, fault)),
        ),
        h("div", { class: "choices" }, h("button", { class: "primary" }, "Go on")),
      ),
    );
  view.again();
}

// ── Send back ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Sends letters back by a job, or by one for each service, once the number is known and confirmed.
export async function redrive(selections, about) {
  const [first] = selections;
  const ramp = h("input", { type: "checkbox", checked: true });
  const rate = h("input", { type: "number", min: "1", max: "1000", inputmode: "numeric", placeholder: "no limit" });
  const total = h("p", { class: "total", role: "status" }, "Counting…");
  const fault = h("div", { class: "fault", role: "alert" });
  const send = h("button", { class: "primary", disabled: true }, "Send back");
  const jobs = [];
  const content = h(
    "div",
    {},
    facts([
      [
        "Service",
        selections
          .map(({ service }) => service)
          .filter(Boolean)
          .join(", "),
      ],
      ["Event", first.type],
      ["Class", first.class && classOf(first.class)],
      ["Reason", first.reason],
      [
        "Letters",
        first.letters && (first.letters.length === 1 ? first.letters[0] : `${first.letters.length} that you chose`),
      ],
    ]),
    total,
    check(
      "A few at first",
      ramp,
      "1, 2, 5, 10, 20 …: each step waits until its letters are handled, and the first that fails again stops it.",
    ),
    field("Letters a second, at the most", rate),
    fault,
    choices(send),
  );
  const show = (problem) =>
    fault.replaceChildren(
      h("p", {}, problem.message),
      problem.errors?.length
        ? h(
            "ul",
            {},
            problem.errors.map((one) => h("li", {}, h("code", {}, one.pointer), ` ${one.detail}`)),
          )
        : "",
    );
  const onsubmit = async (element) => {
    if (!rate.checkValidity()) {
      show(new Problem(422, { detail: "A rate is a whole number from 1 to 1,000." }));
      return rate.focus();
    }
    send.disabled = true;
    fault.replaceChildren();
    try {
      // What was taken on before one was refused is not asked for again.
      for (const selection of selections.slice(jobs.length)) {
        const body = { ...selection, ramp: ramp.checked, ratePerSecond: rate.value ? Number(rate.value) : undefined };
        const taken = await request("POST", "operations/redrives", { body });
        jobs.push(taken.body.id);
        remember(taken.body.id);
      }
      element.close("yes");
    } catch (problem) {
      show(problem);
      send.disabled = false;
    }
  };
  const answer = dialog("Send back", content, { onsubmit });
  try {
    const asked = selections.map((selection) =>
      request("POST", "operations/redrives", { body: { ...selection, dryRun: true } }),
    );
    const found = (await Promise.all(asked)).reduce((sum, { body }) => sum + body.total, 0);
    const others = about ? about.count - found : 0;
    const kept =
      others > 0
        ? ` ${count(others, "other")} cannot be sent back: rows of a relay, or changed since.`
        : others < 0
          ? ` ${count(-others, "letter")} of these came since, or fail for the same reason with another event.`
          : "";
    const several = selections.length > 1 ? `, by ${selections.length} jobs: one for each service.` : ".";
    total.replaceChildren(h("b", {}, count(found, "letter")), ` will be sent back${several}${kept}`);
    send.textContent = `Send ${count(found, "letter")} back`;
    send.disabled = found === 0;
    if (found > 0) send.focus();
  } catch (problem) {
    total.textContent = "";
    show(problem);
  }
  if ((await answer) === "yes") location.hash = jobs.length === 1 ? `#${at("/jobs", jobs[0])}` : "#/jobs";
}
