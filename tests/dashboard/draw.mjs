// Draws a dashboard of CloudWatch as a picture: its grid, and in each widget the title and what it shows.
// node draw.mjs NODE_MODULES CHROMIUM PICTURE <BODY
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const [modules, chromium, picture] = process.argv.slice(2);
const { chromium: browser } = createRequire(`${modules}/`)("playwright-core");
const { widgets } = JSON.parse(await text(process.stdin));

/** Pixels of a column and of a row, as in the console at a width of 1,440. */
const [COLUMN, ROW] = [60, 50];

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Name of an alarm in its ARN. */
const nameOf = (arn) => arn.split(":alarm:")[1];

/** What is told of a metric: its label, or what it is. */
function told(metric) {
  const last = metric.at(-1);
  const { label, visible, stat, expression } = typeof last === "object" ? last : {};
  if (expression) return { text: expression, hidden: false };
  const names = metric.filter((part) => typeof part === "string");
  return { text: label ?? names[1], detail: [names[1], stat].filter(Boolean).join(", "), hidden: visible === false };
}

function inside({ type, properties }) {
  if (type === "text") return `<p>${escape(properties.markdown).replace(/\n/g, "<br>")}</p>`;
  if (type === "alarm") return `<p class=alarms>${properties.alarms.map((arn) => `<span>${escape(nameOf(arn))}</span>`).join("")}</p>`;
  const lines = properties.metrics.map(told);
  if (properties.view === "singleValue") {
    return `<p class=numbers>${lines.map(({ text, detail }) => `<span>${escape(text)}<b>42</b><i>${escape(detail)}</i></span>`).join("")}</p>`;
  }
  const limits = (properties.annotations?.horizontal ?? []).map(({ label, value }) => `<i>— ${escape(label)}: ${value}</i>`);
  const view = [properties.view, properties.stacked && "stacked", `${properties.period} s`].filter(Boolean).join(", ");
  return `<ul>${lines.map(({ text, detail, hidden }) => `<li${hidden ? " class=hidden" : ""}>${escape(text)} <i>${escape(detail ?? "")}</i>`).join("")}</ul>${limits.join("<br>")}<em>${view}</em>`;
}

const boxes = widgets.map((widget) => {
  const place = `left:${widget.x * COLUMN}px;top:${widget.y * ROW}px;width:${widget.width * COLUMN - 8}px;height:${widget.height * ROW - 8}px`;
  return `<div style="${place}"><h2>${escape(widget.properties.title ?? "")}</h2>${inside(widget)}</div>`;
});
const height = Math.max(...widgets.map(({ y, height }) => y + height)) * ROW;
const page = `<!doctype html><meta charset=utf-8><style>
  body { margin: 0; position: relative; height: ${height}px; background: #f2f3f3; font: 12px/1.3 sans-serif; }
  div { position: absolute; overflow: hidden; box-sizing: border-box; padding: 6px 8px; background: #fff; border: 1px solid #d5dbdb; }
  h2 { margin: 0 0 4px; font-size: 13px; } p, ul { margin: 0; } ul { padding-left: 16px; }
  i { color: #687078; } em { position: absolute; right: 8px; bottom: 4px; color: #aab7b8; } .hidden { color: #687078; }
  .numbers { display: flex; } .numbers span { flex: 1; border-left: 1px solid #eaeded; padding-left: 8px; } .numbers b { display: block; font-size: 26px; } .numbers i { font-size: 10px; overflow-wrap: anywhere; }
  .alarms span { display: inline-block; margin: 2px; padding: 3px 8px; border-radius: 3px; background: #e9f5ea; border: 1px solid #1d8102; }
</style>${boxes.join("")}`;

const running = await browser.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const view = await running.newPage({ viewport: { width: 24 * COLUMN, height } });
await view.setContent(page);
const cut = await view.evaluate(() =>
  [...document.querySelectorAll("div")].filter((box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1).map((box) => box.querySelector("h2").textContent));
await view.screenshot({ path: picture });
await running.close();
if (cut.length > 0) {
  console.error(`they do not fit into their widgets: ${cut.join("; ")}`);
  process.exit(1);
}
