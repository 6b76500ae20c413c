// What the console makes of texts: JSON on lines, places of pointers, differences.
import assert from "node:assert/strict";

import { diff, faultOf, indent, near, placeOf } from "../../functions/operations/console/text.mjs";

const SOME = '{"a":[1,2,{}],"b":{},"c":12345678901234567890.10,"d/e":"x,\\"{","f":[]}';

const lines = indent(SOME);
assert.ok(lines.includes('"c": 12345678901234567890.10'), "a number is kept as it is written");
assert.deepEqual(JSON.parse(lines), JSON.parse(SOME));
assert.equal(indent(lines), lines);
assert.equal(indent("no JSON"), "no JSON");
assert.equal(faultOf(SOME), null);
assert.match(faultOf('{"a": }'), /JSON/);

for (const [pointer, line, text] of [
  ["/a/1", 4, "2"],
  ["/d~1e", 9, '"x,\\"{"'],
  ["/b/missing/deep", 7, "{}"],
  ["", 1, lines],
]) {
  const place = placeOf(lines, pointer);
  assert.deepEqual([place.line, lines.slice(place.start, place.end)], [line, text], pointer);
}

// Whatever the texts: one is had by the removed, the other by the added lines, and no difference is longer than both.
let seed = 1;
const random = (below) => (seed = (seed * 48_271) % 2_147_483_647) % below;
const text = () => Array.from({ length: random(9) }, () => "abc"[random(3)]).join("\n");
for (let run = 0; run < 5_000; run += 1) {
  const [before, after] = [text(), text()];
  const all = diff(before, after);
  const without = (sign) => all.filter((line) => line.sign !== sign).map((line) => line.text);
  assert.equal(without("+").join("\n"), before);
  assert.equal(without("-").join("\n"), after);
}
const changed = diff("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\nfive\n6\n7\n8\n9");
assert.deepEqual(
  changed.filter(({ sign }) => sign !== " ").map(({ text }) => text),
  ["5", "five"],
);
assert.deepEqual(
  near(changed).map(({ text, skipped }) => text ?? skipped),
  [1, "2", "3", "4", "5", "five", "6", "7", "8", 1],
);
const numbers = (from) => Array.from({ length: 3_000 }, (_, index) => from + index).join("\n");
assert.equal(diff(numbers(0), numbers(10_000)).length, 6_000, "too many differences are another text");
