// Writes docs/benchmarks.md and its plots.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { ROOT } from "../forwarder.mjs";
import { page } from "./page.mjs";
import { plots } from "./plots.mjs";

export function write(figures, docs = `${ROOT}docs`) {
  const drawn = plots(figures);
  rmSync(`${docs}/benchmarks`, { recursive: true, force: true });
  mkdirSync(`${docs}/benchmarks`, { recursive: true });
  for (const { name, svg } of drawn) writeFileSync(`${docs}/benchmarks/${name}.svg`, svg);
  writeFileSync(`${docs}/benchmarks.md`, page(figures, { drawn }));
}
