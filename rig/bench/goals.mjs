// The performance goals, the measured figures, and the gaps, each in the goal's own unit.

import { sizeName } from "./names.mjs";

const MIB = 2 ** 20;

/** Rounds, but never down to a gap of 0. */
const rounded = (n, places) => (n < 10 ** -places ? n.toPrecision(1) : n.toFixed(places));

const UNITS = {
  percent: { show: (n) => `${Math.round(n * 100)} %`, gap: (n) => `${rounded(n * 100, 0)} points` },
  times: { show: (n) => `${n.toFixed(2)} ×`, gap: (n) => `${rounded(n, 2)} ×` },
  MiB: { show: (n) => `${n.toFixed(1)} MiB`, gap: (n) => `${rounded(n, 1)} MiB` },
  MB: { show: (n) => `${n.toFixed(2)} MB`, gap: (n) => `${rounded(n, 2)} MB` },
  ms: { show: (n) => `${n.toFixed(1)} ms`, gap: (n) => `${rounded(n, 1)} ms` },
  number: { show: (n) => n.toFixed(n < 2 ? 4 : 2), gap: (n) => rounded(n, n < 0.1 ? 4 : 2) },
};

/** `{what, aim, measured, verdict}` as texts. */
export function assess({ what, aim, atMost = false, unit, figure }) {
  const { show, gap } = UNITS[unit];
  const texts = { what, aim: `${atMost ? "≤" : "≥"} ${show(aim)}` };
  if (!Number.isFinite(figure)) return { ...texts, measured: "", verdict: "not measured" };
  const short = atMost ? figure - aim : aim - figure;
  return { ...texts, measured: show(figure), verdict: short > 0 ? `**missed** by ${gap(short)}` : "met" };
}

const peaksOf = ({ catchUp = [] }) => catchUp.map(({ whole }) => whole.peak).filter(Number.isFinite);

const cutGoals = ({ cut }) => [
  ["raw_value", "at least 3 times `RawValue`", 3],
  ["memchr3", "at least half of `memchr3` over quotes and closing brackets", 0.5],
  ["memchr_none", "at least half of `memchr` without a match", 0.5],
].filter(([other]) => cut[other]).flatMap(([other, words, aim]) => Object.keys(cut.cutter).map((shape) => (
  { what: `cut, ${shape}: ${words}`, aim, unit: "times", figure: cut.cutter[shape] / cut[other][shape] })));

/** All goals, assessed; those on cutting and catch-up only as far as they were measured. */
export function goals(figures) {
  const { cut, catchUp, steady, fairness, backlog, start, hour } = figures;
  const peaks = peaksOf(figures);
  const large = catchUp?.filter(({ size }) => size > 1) ?? [];
  return [
    ...large.map(({ size, toLimit }) => (
      { what: `catch-up of ${sizeName(size)}, relative to the slower of reading and sending alone`, aim: 0.9, unit: "percent", figure: toLimit })),
    ...large.map(({ size, toVendors }) => ({
      what: `catch-up of ${sizeName(size)}, relative to the faster of the vendors' incremental functions`,
      aim: 8, unit: "times", figure: toVendors,
    })),
    ...(cut ? cutGoals(figures) : []),
    {
      what: "p99 of a small event during the catch-up of two large blobs, relative to alone",
      aim: 3, unit: "times", atMost: true, figure: fairness?.ratio,
    },
    { what: "a backlog of small blobs, relative to forwarding two at a time", aim: 10, unit: "times", figure: backlog?.ratio },
    { what: "peak memory, at any blob size", aim: 64, unit: "MiB", atMost: true, figure: Math.max(...peaks) / MIB },
    { what: "storage calls per event", aim: 4, unit: "number", atMost: true, figure: storageCalls(steady) ?? hour?.calls },
    { what: "bytes read per byte delivered", aim: 1.01, unit: "number", atMost: true, figure: hour?.readPerDelivered },
    { what: "time from start to ready", aim: 50, unit: "ms", atMost: true, figure: start?.ms },
    { what: "binary", aim: 12, unit: "MB", atMost: true, figure: start && start.binary / 1e6 },
  ].map(assess);
}

/** Storage calls per event. */
export const storageCalls = (steady) => steady && Object.entries(steady.kinds)
  .filter(([kind]) => !kind.startsWith("hub")).reduce((sum, [, n]) => sum + n, 0);
