// Runs the cutter's benchmark and parses divan's table: GB/s by function and shape.

import { output } from "./build.mjs";

const UNITS = { K: 1e-6, M: 1e-3, G: 1, T: 1e3 };
// Columns: fastest, slowest, median, mean.
const MEDIAN = 2;

/** The medians in divan's table: `{function: {shape: GB/s}}`. */
export function parse(text) {
  const table = {};
  let [name, shape] = [];
  for (const line of text.split("\n")) {
    const words = line.replace(/[├│╰─]/g, " ").trim().split(/\s+/);
    const rates = [...line.matchAll(/([\d.]+) ([KMGT])?B\/s/g)];
    if (rates.length > MEDIAN) {
      const [, n, unit] = rates[MEDIAN];
      (table[name] ??= {})[shape] = Number((n * (unit ? UNITS[unit] : 1e-9)).toPrecision(4));
    } else if (/^[├╰]─/.test(line)) {
      [name] = words;
    } else if (words[0] !== "") {
      [shape] = words;
    }
  }
  return table;
}

export async function cut(program, progress) {
  const text = await output(program, ["--bench", "--bytes-format", "decimal"], { env: { ...process.env, NO_COLOR: "1" }, timeoutMs: 600_000 });
  const table = parse(text);
  if (!table.cutter) throw new Error("divan's table has no cutter");
  progress(`  ${JSON.stringify(table)}`);
  return table;
}
