// What to measure: everything, for the page, or some of it, for whoever works on that.

import { parseArgs } from "node:util";

export const PARTS = ["cut", "catch-up", "memory", "start", "steady"];

export const HELP = `node bench.mjs [--only PART,…] [--sizes MB,…] [--runs N]
  --only PART,…    measures these parts and prints them: ${PARTS.join(", ")}
  --sizes MB,…     sizes of the blobs to catch up with (1,64,512)
  --runs N         how often each is measured (3)
With any of them the page is left as it is; without, everything is measured and docs/benchmarks.md is written.
`;

const words = (text) => text.split(",").map((word) => word.trim()).filter((word) => word !== "");

function number(text, what) {
  const n = Number(text);
  if (!(n > 0)) throw new RangeError(`${what}: '${text}' is no number above 0`);
  return n;
}

/** What is asked for: `{parts, sizes, runs, whole, help}`; `whole`: nothing is left out, so the page may be written. */
export function chosen(argv) {
  const options = Object.fromEntries(["only", "sizes", "runs"].map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ args: argv, options: { ...options, help: { type: "boolean", default: false } } });
  const parts = values.only === undefined ? PARTS : words(values.only);
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new RangeError(`--only: there is no part '${unknown}'; there are: ${PARTS.join(", ")}`);
  return {
    parts, help: values.help, whole: ["only", "sizes", "runs"].every((name) => values[name] === undefined),
    sizes: values.sizes === undefined ? [1, 64, 512] : words(values.sizes).map((size) => number(size, "--sizes")),
    runs: values.runs === undefined ? 3 : Math.ceil(number(values.runs, "--runs")),
  };
}
