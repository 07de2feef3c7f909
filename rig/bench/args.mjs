// What to measure: everything, for the page, or some of it, for whoever works on that.

import { parseArgs } from "node:util";

export const PARTS = ["cut", "catch-up", "steady", "fairness", "backlog", "memory", "start", "bill"];
const SIZES = [1, 64, 512, 2000];
const RUNS = 3;
/** The last commit whose sweeps forward two blobs at a time, whatever their size. */
export const BEFORE = "0ebd766";

export const HELP = `node bench.mjs [--only PART,…] [--sizes MB,…] [--runs N] [--before PATH]
  --only PART,…    measures these parts: ${PARTS.join(", ")}
  --sizes MB,…     sizes of the blobs to catch up with (${SIZES.join(",")})
  --runs N         how often each is measured (${RUNS})
  --before PATH    the program of commit ${BEFORE}, for the backlog; built when it is not given
The figures go to stdout. With --only, --sizes or --runs the page is left as it is; without, docs/benchmarks.md is written.
`;

const words = (text) => text.split(",").map((word) => word.trim()).filter((word) => word !== "");

function number(text, what) {
  const n = Number(text);
  if (!(n > 0)) throw new RangeError(`${what}: '${text}' is no number above 0`);
  return n;
}

/** What is asked for: `{parts, sizes, runs, before, whole, help}`; `whole`: nothing is left out, so the page may be written. */
export function chosen(argv) {
  const options = Object.fromEntries(["only", "sizes", "runs", "before"].map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ args: argv, options: { ...options, help: { type: "boolean", default: false } } });
  const asked = values.only === undefined ? PARTS : words(values.only);
  const unknown = asked.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new RangeError(`--only: there is no part '${unknown}'; there are: ${PARTS.join(", ")}`);
  return {
    // In the page's order, whatever the order asked for.
    parts: PARTS.filter((part) => asked.includes(part)), help: values.help,
    whole: ["only", "sizes", "runs"].every((name) => values[name] === undefined),
    before: values.before,
    sizes: values.sizes === undefined ? SIZES : words(values.sizes).map((size) => number(size, "--sizes")).sort((a, b) => a - b),
    runs: values.runs === undefined ? RUNS : Math.ceil(number(values.runs, "--runs")),
  };
}
