import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseOptions, PARTS } from "../bench/args.mjs";
import { bill, COMMITS_A_MONTH, lineOf } from "../bench/bill.mjs";
import { ratios, summary, measurementOrder } from "../bench/catch-up.mjs";
import { parse } from "../bench/cut.mjs";
import { compare } from "../bench/fairness.mjs";
import { assess, goals } from "../bench/goals.mjs";
import { page } from "../bench/page.mjs";
import { plots } from "../bench/plots.mjs";
import { median, medianOf, quantile } from "../bench/statistics.mjs";
import { paceFor } from "../bench/steady.mjs";
import { attempt, runConcurrently } from "../bench/tasks.mjs";
import { write } from "../bench/write.mjs";
import { ROOT } from "../forwarder.mjs";

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`);

const PRICES = {
  blobRead: 1, blobWrite: 10, blobOther: 100, tableOperation: 1000, eventDelivery: 0, execution: 0, hubMessageOf64KB: 0, throughputUnitHour: 0,
};

const TABLE = `Timer precision: 15 ns
cut               fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ cutter                       │               │               │               │         │
│  ├─ compact     238.6 µs      │ 389.5 µs      │ 241.1 µs      │ 250.4 µs      │ 100     │ 100
│  │              17.57 GB/s    │ 10.76 GB/s    │ 17.39 GB/s    │ 16.74 GB/s    │         │
│  ╰─ small       33.59 ms      │ 38.62 ms      │ 35.62 ms      │ 35.58 ms      │ 100     │ 100
│                 124.8 MB/s    │ 108.5 MB/s    │ 117.7 MB/s    │ 117.8 MB/s    │         │
├─ memcpy                       │               │               │               │         │
│  ╰─ compact     67.66 µs      │ 143.9 µs      │ 88.63 µs      │ 91.29 µs      │ 100     │ 100
│                 61.98 GB/s    │ 29.14 GB/s    │ 47.32 GB/s    │ 45.94 GB/s    │         │
╰─ raw_value                    │               │               │               │         │
   ├─ compact     814.1 µs      │ 1.053 ms      │ 826.2 µs      │ 839.8 µs      │ 100     │ 100
   │              5.152 GB/s    │ 3.981 GB/s    │ 5.077 GB/s    │ 4.994 GB/s    │         │
   ╰─ small       22.46 ms      │ 24.36 ms      │ 22.97 ms      │ 23.03 ms      │ 100     │ 100
                  186.7 MB/s    │ 172.1 MB/s    │ 182.6 MB/s    │ 182.1 MB/s    │         │
`;

const MIB = 2 ** 20;
const one = (seconds, peak) => ({ seconds, peak: peak * MIB });
const run = (whole) => ({
  whole: { ...one(whole, 40), cpu: 0.1 }, read: { seconds: 1 }, send: { seconds: 2 }, both: { seconds: 3 }, python: one(16, 300), node: one(10, 400), naive: { failed: "too long" },
});

/** `count` latencies, ms: two in a hundred are `long`, all others 1. */
const times = (count, long) => Array.from({ length: count }, (_, i) => (i % 50 === 0 ? long : 1));

/** Figures of a complete run. */
const FIGURES = {
  runs: 3, machine: { cores: 2, node: "v20" }, missing: {},
  cut: parse(TABLE),
  largest: { largest: 1_048_532, beyond: "refused", length: 900_000, rate: 2 },
  catchUp: [summary(1, 1e6, [run(0.1)]), summary(64, 64e6, [run(2), run(3), run(4)]), { ...summary(2000, 2e9, [run(4)]), node: { failed: "not run" } }],
  steady: {
    nics: 1000, atOnce: 64, runs: 3, perSecond: 600, cpuMs: 0.5, pace: 10, p50: 4, p99: 20, peak: 20 * MIB,
    kinds: { "blob read": 1, "table update": 2, "hub transfer": 1 },
  },
  fairness: { size: 2000, large: 2, pace: 20, peak: 50 * MIB, failures: 0, ...compare(times(300, 10), times(200, 25)) },
  backlog: {
    blobs: 1000, delay: 20, ratio: 12,
    before: { records: 1000, seconds: 50, perSecond: 20, peak: 20 * MIB }, now: { records: 1000, seconds: 4, perSecond: 240, peak: 30 * MIB },
  },
  memory: [{ many: 1, size: 0.06, peak: 10 * MIB }, { many: 256, size: 0.06, peak: 40 * MIB }, { many: 16, size: 16, peak: 80 * MIB }],
  start: { ms: 8, times: 20, binary: 8e6 },
  hour: {
    nics: 20, commits: 60, events: 1200, delivered: 1.2e7, read: 1.21e7, calls: 3, readPerDelivered: 1.0083,
    designs: Object.fromEntries(["forwarder", "leases", "naive"].map((name) => [name, { kinds: { "blob read": 1 }, messages: 1, bytes: 10_000 }])),
  },
};
FIGURES.bill = bill(FIGURES.hour, { prices: PRICES });

describe("the benchmarks' command line", () => {
  test("without options, everything is measured and the page is written", () => {
    assert.deepEqual(parseOptions([]), { parts: PARTS, sizes: [1, 64, 512, 2000], runs: 3, before: undefined, writesPage: true, help: false });
  });

  test("with options, the page is not written", () => {
    assert.deepEqual(parseOptions(["--only", "catch-up, cut", "--sizes", "64,1", "--runs", "5"]),
      { parts: ["cut", "catch-up"], sizes: [1, 64], runs: 5, before: undefined, writesPage: false, help: false });
    for (const args of [["--only", "cut"], ["--sizes", "1"], ["--runs", "1"]]) assert.equal(parseOptions(args).writesPage, false);
  });

  test("invalid options are refused", () => {
    for (const args of [["--only", "cutt"], ["--sizes", "big"], ["--sizes", "-1"], ["--runs", "0"], ["--fast"], ["cut"]]) {
      assert.throws(() => parseOptions(args), { name: /RangeError|TypeError/ });
    }
  });
});

describe("statistics and tasks", () => {
  test("medians and quantiles", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(median([]), undefined);
    assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
    assert.equal(quantile(Array.from({ length: 100 }, (_, i) => i), 0.99), 99);
    assert.equal(medianOf([{ n: 1 }, {}, { n: 3 }], ({ n }) => n), 2);
  });

  test("a failed measurement does not stop the run", async () => {
    assert.deepEqual(await attempt(() => { throw new Error("too long\nat length"); }), { failed: "too long" });
    assert.deepEqual(await attempt(() => { throw new Error(`${ROOT}target/it ended`); }), { failed: "target/it ended" });
    assert.equal(await attempt(async () => 1), 1);
  });

  test("concurrency is limited, and results keep their order", async () => {
    let [now, most] = [0, 0];
    const results = await runConcurrently(3, [5, 1, 4, 2, 3], async (n) => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return n * 2;
    });
    assert.deepEqual(results, [10, 2, 8, 4, 6]);
    assert.equal(most, 3);
  });

  test("the forwarder and its limits rotate, before all others", () => {
    assert.deepEqual([0, 1, 3, 4].map((n) => measurementOrder([..."abcdyz"], n).join("")), ["abcdyz", "bcdayz", "dabcyz", "abcdyz"]);
  });

  test("ratios compare with the slower limit and the faster vendors' function", () => {
    assert.deepEqual(ratios(run(4)), { toLimit: 0.5, toBoth: 0.75, toVendors: 2.5 });
    assert.equal(ratios({ ...run(4), node: { failed: "no" } }).toVendors, 4);
    assert.equal(ratios({ ...run(4), node: { failed: "no" }, python: { failed: "no" } }).toVendors, undefined);
    assert.ok(Number.isNaN(ratios({ ...run(4), read: { failed: "no" } }).toLimit));
  });

  test("a row has medians, or the reason why there are none", () => {
    const row = summary(64, 64e6, [run(2), run(8), run(4)]);
    assert.equal(row.whole.rate, 16);
    assert.deepEqual(row.naive, { failed: "too long" });
    assert.equal(row.toLimit, 0.5);
    assert.equal(row.toBoth, 0.75);
    near(row.whole.cpu, 0.1 / 0.064);
  });

  test("the pace stays below saturation", () => {
    assert.equal(paceFor(1000), 10);
    assert.equal(paceFor(200), 5);
    assert.equal(paceFor(30), 1);
    assert.equal(paceFor(20), undefined);
  });
});

describe("divan's table", () => {
  test("is parsed with any functions and shapes", () => {
    assert.deepEqual(parse(TABLE), { cutter: { compact: 17.39, small: 0.1177 }, memcpy: { compact: 47.32 }, raw_value: { compact: 5.077, small: 0.1826 } });
  });
});

describe("the bill", () => {
  test("each kind of request has its line", () => {
    assert.equal(lineOf("table update"), "table operations");
    assert.equal(lineOf("blob read"), "blob reads");
    assert.equal(lineOf("put blob"), "blob writes");
    for (const kind of ["blob lease", "blob properties", "blob metadata"]) assert.equal(lineOf(kind), "other blob operations");
  });

  test("adds up the operations of a month", () => {
    const kinds = { "blob read": 1, "put blob": 0.5, "blob lease": 2, "table update": 2 };
    const { forwarder } = bill({ designs: { forwarder: { kinds, messages: 3, bytes: 1e6 } } },
      { prices: { ...PRICES, eventDelivery: 0.5, execution: 0.25, hubMessageOf64KB: 0.1, throughputUnitHour: 3600 } });
    const perEvent = {
      "event deliveries": 0.5, executions: 0.25, "blob reads": 1, "blob writes": 5, "other blob operations": 200, "table operations": 2000,
      "hub messages": 0.3, "hub units": 1, together: 2208.05,
    };
    assert.deepEqual(Object.keys(forwarder), Object.keys(perEvent));
    for (const [line, dollars] of Object.entries(perEvent)) near(forwarder[line] / COMMITS_A_MONTH, dollars);
  });

  test("uses exactly the prices of the file", async () => {
    const { prices } = JSON.parse(await readFile(new URL("../../benches/prices.json", import.meta.url), "utf8"));
    assert.deepEqual(Object.keys(prices).sort(), Object.keys(PRICES).sort());
  });
});

describe("fairness", () => {
  test("is the ratio of the 99th percentiles", () => {
    const { alone, beside, ratio } = compare(times(300, 10), times(200, 25));
    assert.deepEqual([alone, beside, ratio], [{ events: 300, p50: 1, p99: 10 }, { events: 200, p50: 1, p99: 25 }, 2.5]);
  });

  test("is not computed from a few events", () => {
    assert.throws(() => compare(times(300, 10), times(99, 25)), /after 99 events/);
  });

  test("and the backlog have their own goals and sections", () => {
    const verdicts = Object.fromEntries(goals(FIGURES).map(({ what, verdict }) => [what, verdict]));
    assert.equal(verdicts["p99 of a small event during the catch-up of two large blobs, relative to alone"], "met");
    assert.equal(verdicts["a backlog of small blobs, relative to forwarding two at a time"], "met");
    const text = page(FIGURES);
    assert.match(text, /\| ratio \|  \| 1.00 × \| 2.50 × \|/);
    assert.match(text, /\| now \| 1000 \| 4.0 \| 240.0 \| 30.0 MiB \|/);
    assert.match(text, /commit `0ebd766`/);
  });
});

describe("the goals", () => {
  const verdict = (goal) => assess({ what: "it", ...goal }).verdict;

  test("a gap is in the goal's own unit", () => {
    assert.equal(verdict({ aim: 0.9, unit: "percent", figure: 0.46 }), "**missed** by 44 points");
    assert.equal(verdict({ aim: 8, unit: "times", figure: 2.91 }), "**missed** by 5.09 ×");
    assert.equal(verdict({ aim: 64, unit: "MiB", atMost: true, figure: 80 }), "**missed** by 16.0 MiB");
    assert.equal(verdict({ aim: 1.01, unit: "number", atMost: true, figure: 1.0151 }), "**missed** by 0.0051");
  });

  test("a figure equal to the aim meets the goal", () => {
    assert.equal(verdict({ aim: 0.9, unit: "percent", figure: 0.9 }), "met");
    assert.equal(verdict({ aim: 50, unit: "ms", atMost: true, figure: 50 }), "met");
  });

  test("a narrow miss is not rounded to met", () => {
    assert.equal(verdict({ aim: 0.9, unit: "percent", figure: 0.897 }), "**missed** by 0.3 points");
  });

  test("a goal without a figure is not measured", () => {
    for (const figure of [undefined, NaN, Infinity]) assert.equal(verdict({ aim: 4, unit: "number", figure }), "not measured");
    assert.deepEqual(new Set(goals({ missing: {} }).map((goal) => goal.verdict)), new Set(["not measured"]));
  });

  test("every shape and every size but the smallest has a goal", () => {
    const texts = goals(FIGURES).map(({ what }) => what);
    for (const words of ["cut, small", "cut, compact", "64 MB", "2 GB"]) assert.ok(texts.some((text) => text.includes(words)), words);
    assert.ok(!texts.some((text) => text.includes("of 1 MB")));
  });
});

describe("the plots", () => {
  test("have every series", () => {
    const drawn = Object.fromEntries(plots(FIGURES).map(({ name, svg }) => [name, svg]));
    assert.deepEqual(Object.keys(drawn), ["catch-up", "memory-size", "memory-events", "cut", "bill"]);
    const words = {
      "catch-up": ["forwarder", "GETs alone", "sends alone", "Python", "JavaScript", "1 MB", "2 GB"],
      "memory-size": ["forwarder", "Python"], "memory-events": ["60 kB", "16 MB"], cut: ["cutter", "memcpy", "RawValue", "small"],
      bill: ["checkpoints in leased blobs", "naive function", "hub units", "blob reads"],
    };
    for (const [name, expected] of Object.entries(words)) {
      for (const word of expected) assert.ok(drawn[name].includes(word), `${name}: ${word}`);
      assert.match(drawn[name], /^<svg .*<\/svg>\n$/s);
      assert.doesNotMatch(drawn[name], /NaN|undefined|Infinity/);
    }
  });

  test("are the same bytes for the same figures", () => {
    assert.deepEqual(plots(FIGURES), plots(FIGURES));
  });

  test("are omitted for parts that were not measured", () => {
    assert.deepEqual(plots({ missing: {}, start: FIGURES.start }), []);
  });
});

describe("the page", () => {
  test("without plots has only the sections of the measured parts", () => {
    const text = page({ runs: 1, machine: FIGURES.machine, missing: {}, start: FIGURES.start });
    assert.match(text, /## Start/);
    assert.doesNotMatch(text, /## Cutting|!\[/);
  });

  test("lists the parts that could not be measured, and why", () => {
    const { cut, ...rest } = FIGURES;
    assert.match(page({ ...rest, missing: { cut: "the bench ended with 101" } }), /## Not measured\n\n- cut: the bench ended with 101/);
  });

  test("is complete although the forwarder failed, and says why", () => {
    const broken = summary(64, 64e6, [{ ...run(1), whole: { failed: "not forwarded" } }]);
    const text = page({ ...FIGURES, catchUp: [broken] }, { drawn: plots({ ...FIGURES, catchUp: [broken] }) });
    assert.match(text, /\| 64 MB \| 1 \| not forwarded \|/);
    assert.match(text, /catch-up of 64 MB.*\| not measured \|/);
    assert.doesNotMatch(text, /NaN|undefined|Infinity/);
  });

  test("is written with its plots, and every link has a target", async () => {
    const docs = await mkdtemp(join(tmpdir(), "flowlog-bench-"));
    try {
      write(FIGURES, docs);
      const text = await readFile(join(docs, "benchmarks.md"), "utf8");
      const shown = [...text.matchAll(/!\[([^\]]+)\]\(benchmarks\/([^)]+)\)/g)].map(([, , file]) => file);
      assert.deepEqual((await readdir(join(docs, "benchmarks"))).sort(), shown.sort());
      assert.doesNotMatch(text, /NaN|undefined|\[object|Infinity/);
      write(FIGURES, docs);
      assert.equal(await readFile(join(docs, "benchmarks.md"), "utf8"), text);
    } finally {
      await rm(docs, { recursive: true });
    }
  });
});
