// JSON as a text, and differences of texts. Pure: nothing here knows the page.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[[\]{}:,]/g;

/// Differing lines that are looked for at the most; beyond that all is another text.
const MAX_DIFFERENCES = 500;

/// Unchanged lines that are shown around a difference.
const CONTEXT = 3;

/// Fault of a text that is no JSON, as the browser tells it; null of JSON.
export function faultOf(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error.message;
  }
}

/// JSON on lines of its own, each value as it is written: a number of 20 digits stays what it is. What is no JSON is
/// left alone.
export function indent(text) {
  if (faultOf(text) !== null) return text;
  let lines = "";
  let depth = 0;
  let previous = "";
  for (const token of text.match(TOKEN) ?? []) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    const follows = previous === "{" || previous === "[" ? !closes : previous === "," || closes;
    if (follows) lines += `\n${"  ".repeat(depth)}`;
    lines += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
    previous = token;
  }
  return lines;
}

/// Place of each value of a JSON text, `[start, end]` by its JSON Pointer (RFC 6901).
export function places(text) {
  const found = new Map();
  if (faultOf(text) !== null) return found;
  const tokens = [...text.matchAll(TOKEN)].map((match) => ({ text: match[0], at: match.index }));
  let next = 0;
  const value = (pointer) => {
    const first = tokens[next++];
    if (first.text === "{" || first.text === "[") {
      const close = first.text === "{" ? "}" : "]";
      for (let index = 0; tokens[next].text !== close; index += 1) {
        let name = String(index);
        if (close === "}") {
          name = JSON.parse(tokens[next].text).replaceAll("~", "~0").replaceAll("/", "~1");
          next += 2;
        }
        value(`${pointer}/${name}`);
        if (tokens[next].text === ",") next += 1;
      }
      next += 1;
    }
    const last = tokens[next - 1];
    found.set(pointer, [first.at, last.at + last.text.length]);
  };
  value("");
  return found;
}

/// Place of what a pointer names in a text, or of the nearest that is there around it, with its line.
export function placeOf(text, pointer) {
  const all = places(text);
  let nearest = pointer;
  while (!all.has(nearest) && nearest !== "") nearest = nearest.slice(0, nearest.lastIndexOf("/"));
  const place = all.get(nearest);
  return place && { start: place[0], end: place[1], line: text.slice(0, place[0]).split("\n").length };
}

/// Differences of two texts by lines: `[{sign, text}]`, the sign `-`, `+` or a blank (Myers 1986).
export function diff(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const same = (lines) => lines.map((text) => ({ sign: " ", text }));
  const middle = shortest(old.slice(start, old.length - end), now.slice(start, now.length - end));
  return [...same(old.slice(0, start)), ...middle, ...same(end === 0 ? [] : old.slice(-end))];
}

function shortest(old, now) {
  const most = Math.min(old.length + now.length, MAX_DIFFERENCES);
  let furthest = new Map([[1, 0]]);
  const steps = [];
  for (let count = 0; count <= most; count += 1) {
    steps.push(furthest);
    furthest = new Map(furthest);
    for (let k = -count; k <= count; k += 2) {
      let x = goesDown(furthest, k, count) ? furthest.get(k + 1) : furthest.get(k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x += 1;
      furthest.set(k, x);
      if (x >= old.length && x - k >= now.length) return path(old, now, steps);
    }
  }
  const all = (sign, lines) => lines.map((text) => ({ sign, text }));
  return [...all("-", old), ...all("+", now)];
}

function goesDown(furthest, k, count) {
  return k === -count || (k !== count && furthest.get(k - 1) < furthest.get(k + 1));
}

function path(old, now, steps) {
  const back = [];
  let [x, y] = [old.length, now.length];
  for (let count = steps.length - 1; count >= 0; count -= 1) {
    const furthest = steps[count];
    const k = x - y;
    const from = goesDown(furthest, k, count) ? k + 1 : k - 1;
    const [fromX, fromY] = [furthest.get(from), furthest.get(from) - from];
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      back.push({ sign: " ", text: old[x] });
    }
    if (count > 0) back.push(x > fromX ? { sign: "-", text: old[x - 1] } : { sign: "+", text: now[y - 1] });
    [x, y] = [fromX, fromY];
  }
  return back.reverse();
}

/// Differences without what is far from any: in its place `{skipped: lines}`.
export function near(lines) {
  const isNear = lines.map(() => false);
  lines.forEach(({ sign }, at) => {
    if (sign !== " ") isNear.fill(true, Math.max(0, at - CONTEXT), at + CONTEXT + 1);
  });
  const shown = [];
  lines.forEach((line, at) => {
    if (isNear[at]) shown.push(line);
    else if (shown.at(-1)?.skipped) shown.at(-1).skipped += 1;
    else shown.push({ skipped: 1 });
  });
  return shown;
}
