// The benchmarks page: every figure beside those to compare it with, sections for the measured parts, and a list of the
// parts that could not be measured.

import { BASELINE_COMMIT } from "./args.mjs";
import { COMMITS_A_MONTH } from "./bill.mjs";
import { goals, storageCalls } from "./goals.mjs";
import { CONTENDERS, DESIGNS, functionName, functionsOf, shapesOf, sizeName } from "./names.mjs";

const MIB = 2 ** 20;

const fixed = (n, digits = 2) => (Number.isFinite(n) ? n.toFixed(digits) : "–");
const times = (n) => (Number.isFinite(n) ? `${fixed(n)} ×` : "–");
const percent = (n) => (Number.isFinite(n) ? `${fixed(n * 100, 0)} %` : "–");
const mib = (bytes, digits = 1) => `${fixed(bytes / MIB, digits)} MiB`;
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

function cutting({ cut }, plot) {
  const names = functionsOf(cut);
  const others = names.filter((name) => ["raw_value", "sonic_lazy"].includes(name));
  return `## Cutting

GB/s over 4 MiB in memory. \`RawValue\` is serde_json's; \`sonic-rs\` finds the same records with SIMD, as lazy values;
\`memchr3\` visits each quote and closing bracket and does nothing else; \`memchr\` searches for a byte that does not occur;
memcpy copies.

${table(["records", ...names.map(functionName), ...others.map((name) => `cutter / ${functionName(name)}`)],
    shapesOf(cut).map((shape) => [
      shape, ...names.map((name) => fixed(cut[name][shape])), ...others.map((name) => times(cut.cutter[shape] / cut[name][shape])),
    ]))}
${plot("cut")}`;
}

const rateOf = ({ rate, failed }) => failed ?? fixed(rate, 1);
const peakOf = (one, digits) => (Number.isFinite(one?.peak) ? mib(one.peak, digits) : "–");

const naive = ({ largest, catchUp }) => (largest.failed ? `The naive function was not measured: ${largest.failed}.` : `
The naive form of the function sends the whole blob as one message, of at most ${largest.largest} bytes (found by
bisection). A blob of ${fixed(largest.length / 1e6)} MB is forwarded at ${fixed(largest.rate, 1)} MB/s. A larger blob fails, at every event:

${table(["blob", "the naive function, MB/s"], catchUp.map((one) => [sizeName(one.size), rateOf(one.naive)]))}`.trim());

const catchingUp = (figures, plot) => `## Catching up

The release binary forwards one blob from its first byte, from Azurite to a hub stand-in that discards events. MB/s. Each
run measures all programs one after the other; the ratios are medians of the runs' ratios.

${table(["blob", "runs", ...Object.values(CONTENDERS), "forwarder / the slower of reading and sending", "forwarder / both at once", "forwarder / the faster of the vendors'"],
    figures.catchUp.map((one) => [
      sizeName(one.size), one.runs, ...Object.keys(CONTENDERS).map((name) => rateOf(one[name])), percent(one.toLimit), percent(one.toBoth), times(one.toVendors),
    ]))}
${plot("catch-up")}
The forwarder's time starts with a process that has no connections, and includes claim and checkpoint. The next three
columns use the forwarder's own code (\`benches/limits.rs\`), connect as well, and do nothing else: reading alone, sending
alone, and both at once in two programs, which shows what this machine can do when storage, hub and the programs share its
cores. The vendors' function (\`rig/bench/vendors.py\`, \`rig/bench/vendors.mjs\`) uses Microsoft's clients: it reads the new bytes, here
the whole blob, parses them, joins the records into messages that fit, and sends batch after batch. It has no
checkpoint.

${naive(figures)}

Azurite and the stand-in are single-threaded Node programs and, on ${figures.machine.cores} cores, compete with what is measured.
[Performance](performance.md) describes what profiles show about the rest.
`;

function memorySection({ catchUp, memory }, plot) {
  const parts = ["## Memory"];
  if (catchUp) {
    const few = catchUp.filter(({ whole }) => Number.isFinite(whole.peak));
    parts.push(`Peak memory of a process that forwards one blob.

${table(["blob", "forwarder", "vendors', Python", "vendors', JavaScript", "forwarder's CPU s per GB"],
    catchUp.map((one) => [
      sizeName(one.size), peakOf(one.whole), peakOf(one.python, 0), peakOf(one.node, 0), one.whole.cpu === 0 ? "too little to see" : fixed(one.whole.cpu),
    ]))}
${plot("memory-size")}`);
    if (few.length > 1) {
      const [first, last] = [few[0], few.at(-1)];
      const [longer, more] = [last.length / first.length, last.whole.peak / first.whole.peak];
      parts.push(`From ${sizeName(first.size)} to ${sizeName(last.size)}, a factor of ${fixed(longer, 0)}, the forwarder's peak grows by a factor of ${fixed(more, 1)}.`);
    }
  }
  if (memory) {
    const sizes = [...new Set(memory.map(({ size }) => size))];
    parts.push(`Peak memory by the number of concurrent events, each about a different blob:

${table(["events at once", ...sizes.map((size) => (size < 1 ? `${size * 1000} kB each` : `${size} MB each`))],
    [...new Set(memory.map(({ many }) => many))].map((many) => [many, ...sizes.map((size) => {
      const found = memory.find((one) => one.many === many && one.size === size);
      return found ? mib(found.peak) : "not run";
    })]))}
${plot("memory-events")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

const steadySection = ({ steady }) => `## Steady state

${steady.nics} interfaces, one event for each commit of two records. The commits of a round are made before the clock starts; a
first round warms up. Medians of ${steady.runs} rounds of ${steady.nics} events.

${table(["figure", ""], [
    [`events a second, one process, ${steady.atOnce} at once`,
      `${fixed(steady.perSecond, 0)}, which is ${fixed(steady.perSecond / (steady.nics / 60), 0)} times what ${steady.nics} interfaces commit`],
    ["CPU per event", `${fixed(steady.cpuMs)} ms`],
    ...(steady.pace === undefined ? [["invocation at a fixed pace", "not measured: even real time is near saturation here"]] : [
      [`invocation at ${steady.pace} times real time, median`, `${fixed(steady.p50, 1)} ms`],
      [`invocation at ${steady.pace} times real time, 99th percentile`, `${fixed(steady.p99, 1)} ms`],
    ]),
    ["peak memory", mib(steady.peak)],
    ["storage calls per event", fixed(storageCalls(steady), 3)],
    ...Object.entries(steady.kinds).map(([kind, n]) => [`— ${kind}`, fixed(n, 3)]),
  ])}

The calls were counted in a separate round, because the counting proxy costs time. The latency of an invocation at a fixed
pace counts from the scheduled time, not from when it was sent.
`;

const fairnessSection = ({ fairness: { size, large, pace, alone, beside, ratio, peak, failures } }) => `## Fairness

The latency of events of small commits, ${pace} a second: alone, and while a sweep catches up with ${large} blobs of
${sizeName(size)} each. One process, one series after the other; the latency counts from the commit.

${table(["", "events", "median, ms", "99th percentile, ms"], [
    ["alone", alone.events, fixed(alone.p50, 1), fixed(alone.p99, 1)],
    ["during the sweep", beside.events, fixed(beside.p50, 1), fixed(beside.p99, 1)],
    ["ratio", "", times(beside.p50 / alone.p50), times(ratio)],
  ])}

Events during the sweep that failed and were delivered again a second later: ${failures}. Peak memory: ${mib(peak)}. Storage, the hub and
the program that commits share this machine's cores.
`;

const backlogSection = ({ backlog }) => `## A backlog of small blobs

One sweep forwards ${backlog.blobs} blobs of one record each, without events; a proxy adds ${backlog.delay} ms to each storage call. *Before* is
commit \`${BASELINE_COMMIT}\`, whose sweeps forward two blobs at a time, measured in the same run.

${table(["forwarder", "records", "seconds", "records a second", "peak memory"],
    ["before", "now"].map((name) => [
      name, backlog[name].records, fixed(backlog[name].seconds, 1), fixed(backlog[name].perSecond, 1), mib(backlog[name].peak),
    ]))}

The rate is ${times(backlog.ratio)} that of before.
`;

const start = (figures) => `## Start

${table(["figure", ""], [
    [`from the start of the process to its first 200, median of ${figures.start.times}`, `${fixed(figures.start.ms, 1)} ms`],
    ["binary", `${fixed(figures.start.binary / 1e6)} MB`],
  ])}
`;

function billSection({ hour, bill }, plot) {
  const extra = (hour.read - hour.delivered) / hour.events;
  const commit = hour.delivered / hour.events;
  const names = Object.keys(DESIGNS);
  const kinds = [...new Set(names.flatMap((name) => Object.keys(hour.designs[name].kinds)))];
  return `## The bill

The forwarder forwarded an hour of ${hour.nics} interfaces, ${hour.commits} commits of ${fixed(commit / 1000, 1)} kB each, while every storage call was
counted. Calls per event, by kind:

${table(["", ...names.map((name) => DESIGNS[name])],
    kinds.map((kind) => [kind, ...names.map((name) => fixed(hour.designs[name].kinds[kind] ?? 0, 3))]))}

The forwarder reads ${fixed(hour.readPerDelivered, 4)} bytes for each byte delivered: with the new bytes, each event reads ${fixed(extra, 0)} others, the fingerprint
before them and the blob's closer. That is less than 1 % for commits of ${fixed(extra / 10, 0)} kB or more. The naive function reads and
sends ${fixed(hour.designs.naive.bytes / commit, 1)} times the new bytes.

Dollars per interface and month of ${COMMITS_A_MONTH.toLocaleString("en")} commits, from these counts and the prices in \`benches/prices.json\`. **The
prices are examples, not checked against a price list.** Compute time and logs are not included: the rig cannot measure
them.

${table(["", ...names.map((name) => DESIGNS[name])],
    Object.keys(bill.forwarder).map((line) => [line, ...names.map((name) => fixed(bill[name][line], 4))]))}
${plot("bill")}
With **checkpoints in leased blobs**, the total is ${times(bill.leases.together / bill.forwarder.together)} as high. That design uses the lease of a checkpoint blob as the claim
and the blob's metadata as the checkpoint, like Microsoft's checkpoint stores for blobs. Its calls (acquire the lease, get
the properties, read the new bytes, set the metadata, release the lease) were made for the same commits and counted; no
such forwarder exists. For the **naive function**, the total is ${times(bill.naive.together / bill.forwarder.together)} as high, by arithmetic from the same commits: it sends
every record up to ${hour.commits} times; messages above the hub's limit of 1 MB are counted as if the hub accepted them.
`;
}

const goalsSection = (figures) => `## Goals

${table(["goal", "aim", "measured", ""], goals(figures).map(({ what, aim, measured, verdict }) => [what, aim, measured, verdict]))}
`;

const intro = ({ machine, runs }) => `# Benchmarks

\`make bench\` generates this page.

\`\`\`
cd rig && node bench.mjs --only catch-up --sizes 64 --runs 5
\`\`\`

measures one table and does not write the page. Machine: ${machine.cores} cores, shared by the forwarder and by everything that it is
compared with. Rates depend on the machine; the ratios between figures of one run say more. All figures are medians of
${runs} runs, or of 100 samples for the cutter, unless a table says otherwise. [Performance](performance.md) describes what
profiles show.
`;

/** The page with its `drawn` plots; without `drawn`, the sections only, for the terminal. */
export function page(figures, { drawn } = {}) {
  const plot = (name) => {
    const found = drawn?.find((one) => one.name === name);
    return found ? `\n![${found.alt}](benchmarks/${name}.svg)\n` : "";
  };
  const missing = Object.entries(figures.missing);
  return [
    ...(drawn ? [intro(figures)] : []),
    goalsSection(figures),
    ...(figures.cut ? [cutting(figures, plot)] : []),
    ...(figures.catchUp ? [catchingUp(figures, plot)] : []),
    ...(figures.steady ? [steadySection(figures)] : []),
    ...(figures.fairness ? [fairnessSection(figures)] : []),
    ...(figures.backlog ? [backlogSection(figures)] : []),
    ...(figures.catchUp || figures.memory ? [memorySection(figures, plot)] : []),
    ...(figures.start ? [start(figures)] : []),
    ...(figures.bill ? [billSection(figures, plot)] : []),
    ...(missing.length > 0 ? [`## Not measured\n\n${missing.map(([part, why]) => `- ${part}: ${why}`).join("\n")}\n`] : []),
  ].join("\n").replace(/\n{3,}/g, "\n\n");
}
