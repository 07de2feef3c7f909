// Measures the release binary on the rig and compares it with its limits and with the vendors' function. Writes
// docs/benchmarks.md and its plots. `make bench` installs the requirements. Fails only if a part cannot be measured.

import { readFileSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { BASELINE_COMMIT, parseOptions, HELP } from "./bench/args.mjs";
import { backlog } from "./bench/backlog.mjs";
import { bill } from "./bench/bill.mjs";
import { build, buildBaseline } from "./bench/build.mjs";
import { catchUps, largestMessage } from "./bench/catch-up.mjs";
import { cut } from "./bench/cut.mjs";
import { fairness } from "./bench/fairness.mjs";
import { hour } from "./bench/hour.mjs";
import { memory } from "./bench/memory.mjs";
import { page } from "./bench/page.mjs";
import { startUp } from "./bench/start.mjs";
import { steady } from "./bench/steady.mjs";
import { attempt } from "./bench/tasks.mjs";
import { write } from "./bench/write.mjs";
import { BINARY, ROOT } from "./forwarder.mjs";

const { parts, sizes, runs, before, writesPage, help } = parseOptions(process.argv.slice(2));
if (help) {
  process.stdout.write(HELP);
  process.exit(0);
}

// Child processes stop when this one exits: see child-process.mjs and start.mjs.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));

const progress = (text) => process.stderr.write(`${text}\n`);
progress("building");
const BENCHES = { cut: "cut", "catch-up": "limits" };
const { cut: cutBench, limits } = await build(Object.keys(BENCHES).filter((part) => parts.includes(part)).map((part) => BENCHES[part]));

/** How to measure each part; each result is merged into the figures that the page shows. */
const MEASURES = {
  cut: async () => ({ cut: await cut(cutBench, progress) }),
  "catch-up": async () => ({ largest: await largestMessage(), catchUp: await catchUps({ limits, sizes, runs, progress }) }),
  steady: async () => ({ steady: await steady({ runs, progress }) }),
  fairness: async () => ({ fairness: await fairness({ size: sizes.at(-1), progress }) }),
  backlog: async () => ({ backlog: await backlog({ before: before ?? await buildBaseline(BASELINE_COMMIT), progress }) }),
  memory: async () => ({ memory: await memory({ runs, progress }) }),
  start: async () => ({ start: { ...(await startUp()), binary: statSync(BINARY).size } }),
  bill: async () => {
    const played = await hour(progress);
    return { hour: played, bill: bill(played, JSON.parse(readFileSync(`${ROOT}benches/prices.json`, "utf8"))) };
  },
};

const figures = { runs, machine: { cores: cpus().length, node: process.version }, missing: {} };
for (const part of parts) {
  progress(`measuring ${part}`);
  const started = performance.now();
  const measured = await attempt(MEASURES[part]);
  if (measured.failed) figures.missing[part] = measured.failed;
  else Object.assign(figures, measured);
  progress(`${part}: ${measured.failed ?? "done"}, ${Math.round((performance.now() - started) / 1000)} s`);
}

process.stdout.write(page(figures));
if (writesPage) write(figures);
process.exit(Object.keys(figures.missing).length > 0 ? 1 : 0);
