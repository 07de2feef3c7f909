// The command line of the benchmarks.

import { parseArgs } from "node:util";

export const PARTS = ["cut", "catch-up", "steady", "fairness", "backlog", "memory", "start", "bill"];
const SIZES = [1, 64, 512, 2000];
const RUNS = 3;
/** Compared with in the backlog part: the last commit whose sweeps always forward two blobs at a time. */
export const BASELINE_COMMIT = "0ebd766";

export const HELP = `node bench.mjs [--only PART,…] [--sizes MB,…] [--runs N] [--before PATH]
  --only PART,…    measure only these parts: ${PARTS.join(", ")}
  --sizes MB,…     blob sizes for catch-up (${SIZES.join(",")})
  --runs N         measurements of each figure (${RUNS})
  --before PATH    binary of commit ${BASELINE_COMMIT}, for backlog; built if not given
Prints the figures. Without --only, --sizes and --runs, also writes docs/benchmarks.md.
`;

const words = (text) => text.split(",").map((word) => word.trim()).filter((word) => word !== "");

function number(text, option) {
  const n = Number(text);
  if (!(n > 0)) throw new RangeError(`${option}: '${text}' is not a number above 0`);
  return n;
}

/** `{parts, sizes, runs, before, writesPage, help}`; the page is written only by a complete run. */
export function parseOptions(argv) {
  const options = Object.fromEntries(["only", "sizes", "runs", "before"].map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ args: argv, options: { ...options, help: { type: "boolean", default: false } } });
  const only = values.only === undefined ? PARTS : words(values.only);
  const unknown = only.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new RangeError(`--only: unknown part '${unknown}'; known: ${PARTS.join(", ")}`);
  return {
    // In the page's order.
    parts: PARTS.filter((part) => only.includes(part)), help: values.help,
    writesPage: ["only", "sizes", "runs"].every((name) => values[name] === undefined),
    before: values.before,
    sizes: values.sizes === undefined ? SIZES : words(values.sizes).map((size) => number(size, "--sizes")).sort((a, b) => a - b),
    runs: values.runs === undefined ? RUNS : Math.ceil(number(values.runs, "--runs")),
  };
}
