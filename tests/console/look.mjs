// What every page is held against, whatever it shows.
import assert from "node:assert/strict";
import { join } from "node:path";

/// Rules that are about colours, of those that axe has by default.
const OF_COLOUR = ["color-contrast", "link-in-text-block"];

/// A function that holds what is seen against axe, in each size, in light and dark. In dark only what is a matter of colours is
/// looked at again.
export function looker(require, { prefix = "", sizes, screenshots, fullPage = false }) {
  const { AxeBuilder } = require("@axe-core/playwright");
  return async function look(page, name) {
    for (const viewport of sizes) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const where = `${prefix}${name}-${viewport.width}-${colorScheme}`;
        // In the page itself: it has no frames, for whose sake there would be a page of its own for each result.
        const axe = new AxeBuilder({ page }).setLegacyMode();
        const { passes, violations } = await (colorScheme === "dark" ? axe.withRules(OF_COLOUR) : axe).analyze();
        const told = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
        assert.deepEqual(told, [], where);
        assert.ok(passes.length > 0, `nothing of ${where} was looked at`);
        const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!isTooWide, `${where} is wider than the screen`);
        if (screenshots) await page.screenshot({ path: join(screenshots, `${where}.png`), fullPage });
      }
    }
  };
}
