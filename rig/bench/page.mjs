// The page: every figure beside what it is to be compared with. Only what was measured has a section, or is named as
// not measured.

import { BEFORE } from "./args.mjs";
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

GB/s over 4 MiB in memory. \`RawValue\` is serde_json's, and \`sonic-rs\` finds the same with SIMD, as its lazy values;
\`memchr3\` visits each quote and each closing bracket and does nothing with them; \`memchr\` looks for a byte that does not
occur; memcpy copies.

${table(["records", ...names.map(functionName), ...others.map((name) => `cutter / ${functionName(name)}`)],
    shapesOf(cut).map((shape) => [
      shape, ...names.map((name) => fixed(cut[name][shape])), ...others.map((name) => times(cut.cutter[shape] / cut[name][shape])),
    ]))}
${plot("cut")}`;
}

const rateOf = ({ rate, failed }) => failed ?? fixed(rate, 1);
const peakOf = (one, digits) => (Number.isFinite(one?.peak) ? mib(one.peak, digits) : "–");

const naive = ({ largest, catchUp }) => (largest.failed ? `The naive function was not measured: ${largest.failed}.` : `
In its naive form, the whole blob in one message, the function gets ${largest.largest} bytes through at most, found by
halving. With a blob of ${fixed(largest.length / 1e6)} MB it does ${fixed(largest.rate, 1)} MB/s. Beyond, it fails, and would again at every event:

${table(["blob", "the naive function, MB/s"], catchUp.map((one) => [sizeName(one.size), rateOf(one.naive)]))}`.trim());

const catchingUp = (figures, plot) => `## Catching up

One blob through the release binary, from its first byte: Azurite, forwarder, and a hub stand-in that discards. MB/s; the
ratios are medians of each run's own, in which one was measured right after the other.

${table(["blob", "runs", ...Object.values(CONTENDERS), "forwarder, of the slower of reading and sending", "of both at once", "forwarder / the faster of the vendors'"],
    figures.catchUp.map((one) => [
      sizeName(one.size), one.runs, ...Object.keys(CONTENDERS).map((name) => rateOf(one[name])), percent(one.toLimit), percent(one.toBoth), times(one.toVendors),
    ]))}
${plot("catch-up")}
The forwarder's time begins with a process that has no connection yet, and includes claim and checkpoint; the columns
beside it connect as well, and do nothing else. They are this program's own way of doing it (\`benches/limits.rs\`): reading
alone, sending alone, and one program for each at the same time, which is what this machine has to give when storage, hub
and whoever moves the bytes share its cores. The vendors' function is in \`rig/bench/vendors.py\` and \`rig/bench/vendors.mjs\`, with Microsoft's clients: it
reads what is new, which here is all of the blob, parses it, puts the records into messages that fit and sends batch after
batch. It keeps no checkpoint.

${naive(figures)}

Azurite and the stand-in are single-threaded Node programs and, on ${figures.machine.cores} cores, compete with what is measured.
[Performance](performance.md) says what profiles show of the rest.
`;

function memorySection({ catchUp, memory }, plot) {
  const parts = ["## Memory"];
  if (catchUp) {
    const few = catchUp.filter(({ whole }) => Number.isFinite(whole.peak));
    parts.push(`Peak of the process, which begins and ends with one blob.

${table(["blob", "forwarder", "vendors', Python", "vendors', JavaScript", "forwarder's CPU s per GB"],
    catchUp.map((one) => [
      sizeName(one.size), peakOf(one.whole), peakOf(one.python, 0), peakOf(one.node, 0), one.whole.cpu === 0 ? "too little to see" : fixed(one.whole.cpu),
    ]))}
${plot("memory-size")}`);
    if (few.length > 1) {
      const [first, last] = [few[0], few.at(-1)];
      const [longer, more] = [last.length / first.length, last.whole.peak / first.whole.peak];
      parts.push(`From ${sizeName(first.size)} to ${sizeName(last.size)}, ${fixed(longer, 0)} times the blob, the forwarder's peak grows ${fixed(more, 1)} times.`);
    }
  }
  if (memory) {
    const sizes = [...new Set(memory.map(({ size }) => size))];
    parts.push(`Events at once, each with a blob of its own:

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

${steady.nics} interfaces, an event for each commit of two records; the commits are made before the clock starts, and each
blob's first is forwarded before. Medians of ${steady.runs} rounds of ${steady.nics} events.

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

The calls were counted in a round of their own: the proxy that counts costs time. An invocation is timed from when it was
due, not from when it could be sent.
`;

const fairnessSection = ({ fairness: { size, large, pace, alone, beside, ratio, peak, failures } }) => `## Fairness

How long the event of a small commit takes, ${pace} of them a second: alone, and while a sweep catches up with ${large} blobs of
${sizeName(size)} each. The same process, one series right after the other; an event is timed from its commit.

${table(["", "events", "median, ms", "99th percentile, ms"], [
    ["alone", alone.events, fixed(alone.p50, 1), fixed(alone.p99, 1)],
    ["beside the sweep", beside.events, fixed(beside.p50, 1), fixed(beside.p99, 1)],
    ["ratio", "", times(beside.p50 / alone.p50), times(ratio)],
  ])}

Events beside the sweep that failed and came again a second later: ${failures}. Peak memory meanwhile: ${mib(peak)}. Storage, hub and whoever makes the commits share this machine's cores with it.
`;

const backlogSection = ({ backlog }) => `## A backlog of small blobs

${backlog.blobs} blobs of one record, of which no event came, and one sweep; a proxy adds ${backlog.delay} ms to each storage call. Before is
commit \`${BEFORE}\`, whose sweeps take two blobs at a time, measured in the same run.

${table(["forwarder", "records", "seconds", "records a second", "peak memory"],
    ["before", "now"].map((name) => [
      name, backlog[name].records, fixed(backlog[name].seconds, 1), fixed(backlog[name].perSecond, 1), mib(backlog[name].peak),
    ]))}

${times(backlog.ratio)} as many a second.
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

An hour of ${hour.nics} interfaces, ${hour.commits} commits of ${fixed(commit / 1000, 1)} kB each, played through the forwarder with every storage call
counted. Per event, by kind:

${table(["", ...names.map((name) => DESIGNS[name])],
    kinds.map((kind) => [kind, ...names.map((name) => fixed(hour.designs[name].kinds[kind] ?? 0, 3))]))}

The forwarder reads ${fixed(hour.readPerDelivered, 4)} bytes for each one delivered: ${fixed(extra, 0)} an event besides the new ones, the fingerprint of those
before them and the blob's closer, which stays below 1 % when a commit has ${fixed(extra / 10, 0)} kB or more. The naive function reads and
sends ${fixed(hour.designs.naive.bytes / commit, 1)} times what is new.

Dollars per interface and month of ${COMMITS_A_MONTH.toLocaleString("en")} commits, from those counts and the prices in \`benches/prices.json\`. **The
prices are example inputs, not checked against a price list.** Compute time and the log are not in it: the rig says
nothing of them.

${table(["", ...names.map((name) => DESIGNS[name])],
    Object.keys(bill.forwarder).map((line) => [line, ...names.map((name) => fixed(bill[name][line], 4))]))}
${plot("bill")}
Together ${times(bill.leases.together / bill.forwarder.together)} as much with **checkpoints in leased blobs**: the same forwarder if its claim were the lease of a checkpoint
blob, and the checkpoint that blob's metadata, as Microsoft's checkpoint stores for blobs have it. Those calls (acquire the
lease, get the properties, read what is new, set the metadata, release) were played for the same commits and counted; no
such forwarder was run. Together ${times(bill.naive.together / bill.forwarder.together)} as much for the **naive function**, by arithmetic from the same commits: it sends
every record up to ${hour.commits} times, and what the hub would refuse beyond 1 MB is counted as if it had been taken.
`;
}

const goalsSection = (figures) => `## Goals

${table(["goal", "aim", "measured", ""], goals(figures).map(({ what, aim, measured, verdict }) => [what, aim, measured, verdict]))}
`;

const intro = ({ machine, runs }) => `# Benchmarks

Written by \`make bench\`, which anyone can repeat; each run writes this page anew, and

\`\`\`
cd rig && node bench.mjs --only catch-up --sizes 64 --runs 5
\`\`\`

measures one table and leaves the page alone. Machine: ${machine.cores} cores, shared by the forwarder and by everything that it is
measured against. A rate says little about another machine; what counts are the ratios between figures of one run. Medians
of ${runs} runs, unless a table says otherwise; of 100 samples for the cutter. What profiles show stands in
[Performance](performance.md).
`;

/** The page with its `drawn` plots; or, without, the sections of what was measured, for the terminal. */
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
