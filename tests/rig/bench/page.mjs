// The page that `make bench` writes: every figure beside what it is to be compared with, and the goals with their gaps.

const SHAPES = ["compact", "pretty", "escapes", "tiny", "huge"];
const MIB = 2 ** 20;

const fixed = (n, digits = 2) => n.toFixed(digits);
const times = (n) => `${fixed(n)} ×`;
const row = (...cells) => `| ${cells.join(" | ")} |`;
const table = (head, ...rows) => [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n");

/** A goal, what was measured, and whether that reaches it: by how much not, if not. */
function goal(what, aim, measured, text, { atMost = false } = {}) {
  const met = atMost ? measured <= aim : measured >= aim;
  const gap = Math.abs(measured / aim - 1) * 100;
  return [what, text, met ? "met" : `**missed** by ${fixed(gap, gap < 10 ? 1 : 0)} %`];
}

export function page({ cut, catchUp, concurrent, startMs, steady, bill, binary, runs, machine }) {
  const large = catchUp.at(-1);
  const beside = catchUp.filter(({ naive }) => naive !== undefined).at(-1);
  const peaks = catchUp.map(({ peak }) => peak / MIB);
  const goals = [
    ...catchUp.filter(({ size }) => size > 1).map((one) => {
      const part = one.whole / Math.min(one.read, one.send);
      return goal(`catch-up of ${one.size} MB ≥ 90 % of the slower of reading and sending alone`, 0.9, part, `${fixed(part * 100, 0)} %`);
    }),
    goal(`catch-up of ${beside.size} MB ≥ 8 × the vendors' function, made incremental and split`, 8, beside.whole / beside.naive, times(beside.whole / beside.naive)),
    ...SHAPES.map((shape) => goal(`cut, ${shape}: ≥ 3 × \`RawValue\``, 3, cut.cutter[shape] / cut.raw_value[shape], times(cut.cutter[shape] / cut.raw_value[shape]))),
    ...SHAPES.map((shape) => goal(`cut, ${shape}: at least half of \`memchr3\` over quotes and closing brackets`, 0.5, cut.cutter[shape] / cut.memchr3[shape], times(cut.cutter[shape] / cut.memchr3[shape]))),
    ...SHAPES.map((shape) => goal(`cut, ${shape}: at least half of plain \`memchr\`, which stops nowhere`, 0.5, cut.cutter[shape] / cut.memchr_none[shape], times(cut.cutter[shape] / cut.memchr_none[shape]))),
    goal("peak memory ≤ 64 MiB at any blob size", 64, Math.max(...peaks), `${fixed(Math.max(...peaks), 0)} MiB`, { atMost: true }),
    goal("storage calls for an event ≤ 4", 4, steady.calls, fixed(steady.calls), { atMost: true }),
    goal("bytes read per byte delivered ≤ 1.01", 1.01, steady.readPerDelivered, fixed(steady.readPerDelivered, 4), { atMost: true }),
    goal("ready in ≤ 50 ms", 50, startMs, `${fixed(startMs, 1)} ms`, { atMost: true }),
    goal("binary ≤ 12 MB", 12, binary / 1e6, `${fixed(binary / 1e6)} MB`, { atMost: true }),
  ];
  const dollars = (n) => fixed(n, 4);
  return `# Benchmarks

Written by \`make bench\`, which anyone can repeat; each run writes this page anew. Machine: ${machine.cores} cores, shared by the
forwarder and by everything that it is measured against. A figure in MB/s says little about another machine; what counts
are the ratios between figures of one run. Medians: of ${runs} runs for catch-up and memory, of 20 for the start, of 100
samples for the cutter. The steady hour is played once.

## Goals

${table(["goal", "measured", ""], ...goals)}

## Cutting

GB/s over 4 MiB in memory. \`RawValue\` is serde_json's; \`memchr3\` visits each quote and each closing bracket and does
nothing with them; \`memchr\` looks for a byte that does not occur.

${table(["records", "cutter", "`RawValue`", "`memchr3`", "`memchr`, no match", "memcpy", "cutter / `RawValue`"],
    ...SHAPES.map((shape) => [shape, ...["cutter", "raw_value", "memchr3", "memchr_none", "memcpy"].map((name) => fixed(cut[name][shape])), times(cut.cutter[shape] / cut.raw_value[shape])]))}

A block of 64 bytes with a backslash is scanned byte by byte, and so is the first byte of every record and what stands
between two: hence \`escapes\`, and hence \`tiny\`, whose records are \`{}\` and which no flow log holds.

## Catching up

One blob through the release binary, from its first byte: Azurite, forwarder, and a hub stand-in that discards. MB/s.

${table(["blob", "forwarder", "ranged GETs alone", "AMQP sends alone", "vendors' function, made incremental and split", "peak memory", "CPU s per GB"],
    ...catchUp.map((one) => [`${one.size} MB`, fixed(one.whole, 1), fixed(one.read, 1), fixed(one.send, 1),
      one.naive === undefined ? "not run" : `${fixed(one.naive, 1)} (${fixed(one.naivePeak / MIB, 0)} MiB)`, `${fixed(one.peak / MIB, 1)} MiB`, one.cpu > 0 ? fixed(one.cpu) : "too little to see"]))}

The forwarder's time begins with a process that has no connection yet, and includes claim and checkpoint; the two columns
beside it connect as well, and do nothing else. Both are this program's own way of doing it: windows of 4 MiB one after the
other, and eight full batches at once through the same producer. The vendors' function is \`tests/rig/bench/naive.mjs\`, with
Microsoft's client for JavaScript: unlike the ten lines it splits what is too long; all of the blob being new, it reads all
of it. It keeps no checkpoint.

Azurite and the stand-in are single-threaded Node programs and, on ${machine.cores} cores, compete with what is measured. While it
catches up ${large.size} MB, the forwarder itself keeps ${fixed((large.cpu * large.whole) / 1000)} of a core busy: it mostly waits for them. It asks for one window
at a time; several on their way at once are what to try first where the goal is missed.

## Memory

${table(["events at once, 60 kB each", "peak"], ...concurrent.map(({ many, peak }) => [many, `${fixed(peak / MIB, 1)} MiB`]))}

From ${catchUp[0].size} MB to ${large.size} MB, ${fixed(large.length / catchUp[0].length, 0)} times the blob, peak memory grows ${fixed(large.peak / catchUp[0].peak, 1)} times, and from ${catchUp.at(-2).size} MB to ${large.size} MB
${fixed(large.peak / catchUp.at(-2).peak, 2)} times.

## A steady hour

${steady.nics} interfaces, ${steady.commits} commits each, an event for each commit, all ${steady.nics} at once. The proxy that
counts the calls stands in between, and costs time.

${table(["figure", ""],
    ["events a second, one process", fixed(steady.perSecond, 0)],
    ["invocation, median / 99th percentile", `${fixed(steady.p50, 1)} / ${fixed(steady.p99, 1)} ms`],
    ["CPU per event", `${fixed(steady.cpuMs)} ms`],
    ["peak memory", `${fixed(steady.peak / MIB, 1)} MiB`],
    ["bytes read per byte delivered", fixed(steady.readPerDelivered, 4)],
    ["bytes the naive function reads and sends, per byte delivered", fixed(steady.naive.bytes / steady.delivered, 1)],
    ["storage calls per event", fixed(steady.calls, 3)],
    ...Object.entries(steady.kinds).map(([kind, n]) => [`— ${kind}`, fixed(n, 3)]))}

An event reads ${fixed((steady.read - steady.delivered) / steady.events, 0)} bytes besides the new ones, the fingerprint of those before them and the blob's closer: at most
1.01 bytes for each one delivered when a commit has ${fixed((steady.read - steady.delivered) / steady.events / 10, 0)} kB or more. Here it has ${fixed(steady.delivered / steady.events / 1000, 1)} kB.

## The bill

Dollars per interface and month (43,200 commits of ${fixed(steady.delivered / steady.events / 1000, 1)} kB), from the counts above and the prices in
\`benches/prices.json\`. **Those are example inputs, not checked against a price list.** Compute time and the log are not in
it: the rig says nothing of them.

${table(["", "forwarder", "naive function"], ...Object.keys(bill.ours).map((what) => [what, dollars(bill.ours[what]), dollars(bill.naive[what])]))}

Together ${times(bill.naive.together / bill.ours.together)} as much for the naive function, which sends every record up to 60 times; the hub refuses what it
sends beyond 1 MB, which is counted here as if it had been taken.

## Not measured

2 GB; the vendors' function in its naive form with a large blob, or with 512 MB; more than 64 events at once; \`sonic-rs\` and \`simd-json\` beside the cutter; the same design with checkpoints in blob
leases; a thousand interfaces. No profile was taken where a goal is missed, and there are no plots.
`;
}
