// One letter: what it says, what has happened to it, and mending it.

import { at, badge, button, classOf, count, exact, facts, failed, field, h, link, request, say, when } from "./common.mjs";
import { askWhy, redrive } from "./letters.mjs";
import { diff, faultOf, indent, near, placeOf } from "./text.mjs";

const OPEN = ["waiting", "parkedAgain"];

/// Pause after a stroke of the keyboard before the difference is drawn again.
const DRAW_MS = 120;

/// Texts that were not saved, by the letter's id, as long as the page is open.
const drafts = new Map();

addEventListener("beforeunload", (event) => {
  if (drafts.size > 0) event.preventDefault();
});

const HISTORY = {
  parked: "Failed",
  sent: "Sent back",
  handled: "Handled",
  parkedAgain: "Failed again",
  edited: "Edited",
  dropped: "Dropped",
};

/// A letter.
export async function letter(view) {
  const path = at("operations/letters", view.id);
  view.show(view.id, h("div", { class: "letter", "aria-busy": "true" }, h("h1", { class: "long" }, view.id)));
  const load = async () => {
    try {
      const { body, etag } = await request("GET", path, { signal: view.signal });
      draw(body, etag);
    } catch (problem) {
      if (problem.name !== "AbortError") view.show(view.id, h("h1", { class: "long" }, view.id), failed(problem, load));
    }
  };
  const draw = (letter, etag, isEdited = drafts.has(letter.id)) => {
    // A row of a relay is no message of any queue, and what is erased is nobody's: they can be dropped, and nothing else.
    const canEdit = OPEN.includes(letter.state) && !letter.erased && !letter.sourceQueue.includes("RelayDlq");
    const body = h("div", { class: "body" });
    const title = letter.reason || "No reason was given";
    view.show(
      `${letter.orderId ?? letter.id} · ${title}`,
      crumbs(letter),
      h(
        "div",
        { class: "head" },
        h("div", {}, h("h1", { class: "long" }, title), summary(letter)),
        actions(letter, etag, canEdit, body),
      ),
      h(
        "div",
        { class: "letter" },
        h("div", { class: "letter-main" }, body, earlier(letter)),
        h("aside", { "aria-label": "About the letter" }, about(letter), history(letter)),
      ),
    );
    if (isEdited && canEdit) edit(body, letter, etag);
    else showBody(body, letter);
  };
  const actions = (letter, etag, canEdit, body) =>
    h(
      "div",
      { class: "actions" },
      canEdit && button("Edit…", () => edit(body, letter, etag), { "data-act": "edit", "aria-keyshortcuts": "e" }),
      OPEN.includes(letter.state) &&
        button("Drop…", () => drop(letter, etag), {
          "data-act": "drop",
          class: "danger-quiet",
          "aria-keyshortcuts": "d",
        }),
      canEdit &&
        button("Send back…", () => redrive([{ letters: [letter.id] }]), {
          class: "primary",
          "data-act": "redrive",
          "aria-keyshortcuts": "r",
        }),
    );
  const drop = async (letter, etag) => {
    const why = await askWhy(
      "Drop the letter",
      "Nothing is done about what is dropped. It stays readable, and is not sent back any more.",
      "Drop it",
    );
    if (!why) return;
    try {
      const answer = await request("DELETE", path, { body: { why }, ifMatch: etag });
      drafts.delete(letter.id);
      say("The letter is dropped.");
      draw(answer.body, answer.etag);
    } catch (problem) {
      await load();
      view.note(
        problem.status === 412
          ? "Somebody was faster: the letter has changed since you read it. Look at it, and decide again."
          : problem.message,
      );
    }
  };
  const edit = (place, letter, etag) => editor(place, letter, etag, { path, view, draw, load });
  await load();
}

function crumbs(letter) {
  const { service, type, reason } = letter;
  return h(
    "p",
    { class: "crumbs" },
    h("a", { href: "#/" }, "Letters"),
    " / ",
    h("a", { href: link("/letters", { service, type, class: letter.class, reason }) }, `${service}, like this one`),
    " / ",
    h("span", { class: "mono" }, letter.id),
  );
}

function summary(letter) {
  return h(
    "p",
    { class: "meta" },
    badge(letter.state),
    h("b", {}, letter.service),
    h("span", {}, letter.type ?? "no event"),
    classOf(letter.class),
    letter.orderId && h("a", { class: "mono", href: `#${at("/orders", letter.orderId)}` }, letter.orderId),
  );
}

function about(letter) {
  const queue = letter.sourceQueue.split(":").at(-1);
  const attributes = Object.entries(letter.attributes);
  return h(
    "section",
    {},
    h("h2", {}, "About"),
    facts([
      ["First failure", when(letter.failedAt, { withExact: true })],
      ...(letter.readableUntil ? [["Readable until", exact(letter.readableUntil)]] : []),
      ["Handed out", letter.receives ? count(letter.receives, "time") : "not known"],
      ["By", letter.function || "nobody has said"],
      ["From", h("span", { class: "mono", title: letter.sourceQueue }, queue)],
      ["Letter", h("span", { class: "mono" }, letter.id)],
    ]),
    h("h2", {}, "Attributes"),
    attributes.length
      ? facts(attributes.map(([name, value]) => [name, h("span", { class: "mono" }, value)]))
      : h("p", { class: "soft" }, "The message has none."),
  );
}

function history(letter) {
  const entry = ({ at: time, by, what, why, replaced }) => {
    const job = what === "sent" && /^[a-z]+_[a-z0-9]+$/.test(why ?? "") ? why : null;
    return h(
      "li",
      { "data-what": what },
      h("p", {}, h("b", {}, HISTORY[what] ?? what), h("span", { class: "soft" }, ` by ${by || "nobody has said"}`)),
      job ? h("p", {}, h("a", { class: "mono", href: `#${at("/jobs", job)}` }, job)) : why && h("p", {}, why),
      replaced &&
        h("p", {}, h("a", { href: "#earlier", onclick: (event) => reveal(event, replaced) }, "The body before")),
      h("p", { class: "soft" }, when(time, { withExact: true })),
    );
  };
  return h("section", {}, h("h2", {}, "History"), h("ol", { class: "history" }, letter.history.map(entry)));
}

function reveal(event, name) {
  event.preventDefault();
  const details = document.getElementById(`earlier-${name}`);
  details.open = true;
  details.querySelector("summary").focus();
}

// ── Body ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function showBody(place, letter) {
  if (letter.erased) {
    const why = "Nobody can open it any more: the customer who is in it is erased, or nobody could tell whose it was, and it is old.";
    place.replaceChildren(h("div", { class: "part" }, h("h2", {}, "Body")), h("p", { class: "soft" }, why));
    return;
  }
  const pretty = indent(letter.body);
  const text = h("pre", { tabindex: "0", "aria-label": "Body" }, pretty);
  const raw =
    pretty === letter.body
      ? null
      : button(
          "As it was sent",
          () => {
            const isRaw = text.textContent === letter.body;
            text.textContent = isRaw ? pretty : letter.body;
            raw.setAttribute("aria-pressed", String(!isRaw));
          },
          { class: "small quiet", "aria-pressed": "false" },
        );
  const copy = button(
    "Copy",
    async () => {
      await navigator.clipboard?.writeText(letter.body);
      say("Copied.");
    },
    { class: "small quiet" },
  );
  place.replaceChildren(h("div", { class: "part" }, h("h2", {}, "Body"), h("div", {}, raw, copy)), text);
}

function earlier(letter) {
  const edits = letter.erased ? [] : letter.history.filter(({ replaced }) => letter.earlier[replaced] !== undefined);
  if (edits.length === 0) return null;
  const bodies = [...edits.map(({ replaced }) => letter.earlier[replaced]), letter.body];
  return h(
    "section",
    { id: "earlier", class: "earlier" },
    h("h2", {}, "Earlier bodies"),
    edits.map((edit, index) =>
      h(
        "details",
        { id: `earlier-${edit.replaced}` },
        h("summary", {}, `Until ${edit.by} edited it `, when(edit.at), edit.why && `: ${edit.why}`),
        h("p", { class: "hint" }, "What that edit has changed:"),
        drawn(indent(bodies[index]), indent(bodies[index + 1])),
        h("p", { class: "hint" }, "The body as it was:"),
        h("pre", { tabindex: "0", "aria-label": "Earlier body" }, indent(bodies[index])),
      ),
    ),
  );
}

/// Difference of two texts, drawn.
function drawn(before, after) {
  const lines = diff(before, after);
  const changed = (sign) => lines.filter((line) => line.sign === sign).length;
  const words = { "-": ["del", "removed: "], "+": ["ins", "added: "], " ": ["span", ""] };
  const line = (one) => {
    if (one.skipped) return h("div", { class: "skipped" }, `${count(one.skipped, "line")} as before`);
    const [tag, word] = words[one.sign];
    return h(
      tag,
      { class: "line" },
      h("span", { class: "sign", "aria-hidden": "true" }, one.sign),
      word && h("span", { class: "unseen" }, word),
      one.text || "\u00a0",
    );
  };
  return h(
    "div",
    {
      class: "diff",
      tabindex: "0",
      role: "group",
      "aria-label": `Difference: ${count(changed("-"), "line")} removed, ${changed("+")} added`,
    },
    near(lines).map(line),
  );
}

// ── Edit ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Lets somebody change the body: the difference is seen before it is sent, and nothing that was typed is lost.
function editor(place, letter, etag, { path, view, draw, load }) {
  let base = { body: indent(letter.body), etag };
  const draft = drafts.get(letter.id) ?? { text: base.body, why: "" };
  const text = h("textarea", {
    spellcheck: "false",
    autocapitalize: "none",
    wrap: "off",
    rows: String(Math.min(30, draft.text.split("\n").length + 1)),
    value: draft.text,
    "data-esc": "keep",
  });
  const why = h("input", { type: "text", maxlength: "200", autocomplete: "off", value: draft.why });
  const faults = h("div", { class: "faults", role: "alert" });
  const changes = h("div", { class: "changes" });
  const save = h("button", { class: "primary" }, "Save this change");
  const form = h(
    "form",
    { class: "editor", novalidate: true },
    field(
      "Body",
      text,
      "A changed body gets an id of its own, which names the old one: else it would count as a duplicate. Both are kept.",
    ),
    h(
      "div",
      {},
      faults,
      h("h2", {}, "The change"),
      changes,
      field("Why", why, "It is on record with your name."),
      h(
        "div",
        { class: "choices" },
        button("Discard", () => leave()),
        save,
      ),
    ),
  );
  const compare = () => {
    const [before, after] = [base.body, text.value];
    if (before === after) changes.replaceChildren(h("p", { class: "soft" }, "Nothing is changed yet."));
    else changes.replaceChildren(drawn(before, after));
    save.disabled = before === after;
  };
  let timer;
  const typed = () => {
    drafts.set(letter.id, { text: text.value, why: why.value });
    save.disabled = text.value === base.body;
    clearTimeout(timer);
    timer = setTimeout(compare, DRAW_MS);
  };
  const leave = () => {
    drafts.delete(letter.id);
    draw(letter, base.etag, false);
    document.querySelector("[data-act=edit]")?.focus();
  };
  const tell = (title, list, ...more) => {
    faults.replaceChildren(h("p", { class: "fault-title" }, title), list.length ? h("ul", {}, list) : "", ...more);
    faults.scrollIntoView({ block: "nearest" });
  };
  const line = ({ pointer }) => placeOf(text.value, pointer)?.line ?? 0;
  const byLine = (errors) => errors.toSorted((one, other) => line(one) - line(other));
  const pointedAt = ({ pointer, detail }) => {
    const found = placeOf(text.value, pointer);
    const go = () => select(text, found);
    return h(
      "li",
      {},
      found ? button(`line ${found.line}`, go, { class: "small quiet" }) : "",
      h("span", {}, h("code", {}, pointer || "/"), ` ${detail}`),
    );
  };
  const faster = async () => {
    const their = await request("GET", path, { signal: view.signal });
    const latest = their.body.history.at(-1);
    const who = `Somebody was faster: ${latest.by || "somebody"} has ${latest.what === "edited" ? "edited" : "changed"} the letter`;
    const isOpen = OPEN.includes(their.body.state);
    const on = () => {
      if (!isOpen) {
        drafts.delete(letter.id);
        return load();
      }
      base = { body: indent(their.body.body), etag: their.etag };
      letter = their.body;
      faults.replaceChildren(
        h(
          "p",
          { class: "fault-title" },
          "Theirs is loaded: the change below is now against it. Your text is as you left it.",
        ),
      );
      compare();
      text.focus();
    };
    const what = latest.why ? `: ${latest.why}` : ".";
    const does = isOpen ? "Load theirs, keep my text" : "Show it as it is now";
    tell(
      `${who}${what}`,
      [],
      h("p", {}, "Nothing of yours is saved, and nothing of it is lost."),
      button(does, on, { class: "small", "data-act": "reload" }),
    );
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    faults.replaceChildren();
    const notJson = faultOf(text.value);
    if (notJson) {
      tell("This is no JSON", [h("li", {}, notJson)]);
      return text.focus();
    }
    if (!why.value.trim()) {
      tell("Say why", [h("li", {}, "Who reads the letter later wants to know.")]);
      return why.focus();
    }
    save.disabled = true;
    try {
      const body = { body: text.value, why: why.value.trim() };
      const answer = await request("PUT", path, { body, ifMatch: base.etag });
      drafts.delete(letter.id);
      say("The change is saved.");
      draw(answer.body, answer.etag, false);
      document.querySelector("[data-act=redrive]")?.focus();
    } catch (problem) {
      save.disabled = false;
      if (problem.status === 412) await faster().catch((other) => tell(other.message, []));
      else if (problem.errors?.length)
        tell(
          `Its schema does not take it: ${count(problem.errors.length, "fault")}`,
          byLine(problem.errors).map(pointedAt),
        );
      else tell(problem.message, []);
    }
  });
  for (const input of [text, why]) input.addEventListener("input", typed);
  place.closest(".letter").classList.add("editing");
  document.querySelector(".head .actions").replaceChildren();
  place.replaceChildren(form);
  compare();
  text.focus();
  text.setSelectionRange(0, 0);
}

function select(text, { start, end, line }) {
  text.focus();
  text.setSelectionRange(start, end);
  const height = text.scrollHeight / text.value.split("\n").length;
  text.scrollTop = Math.max(0, (line - 4) * height);
}
