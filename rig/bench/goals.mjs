// The goals, what was measured for each, and by how much it is missed: always in the goal's own unit.

import { sizeName } from "./names.mjs";

const MIB = 2 ** 20;

/** Rounded, but never so far that a gap reads as none. */
const rounded = (n, places) => (n < 10 ** -places ? n.toPrecision(1) : n.toFixed(places));

const UNITS = {
  percent: { show: (n) => `${Math.round(n * 100)} %`, gap: (n) => `${rounded(n * 100, 0)} points` },
  times: { show: (n) => `${n.toFixed(2)} ×`, gap: (n) => `${rounded(n, 2)} ×` },
  MiB: { show: (n) => `${n.toFixed(1)} MiB`, gap: (n) => `${rounded(n, 1)} MiB` },
  MB: { show: (n) => `${n.toFixed(2)} MB`, gap: (n) => `${rounded(n, 2)} MB` },
  ms: { show: (n) => `${n.toFixed(1)} ms`, gap: (n) => `${rounded(n, 1)} ms` },
  number: { show: (n) => n.toFixed(n < 2 ? 4 : 2), gap: (n) => rounded(n, n < 0.1 ? 4 : 2) },
};

/** `{what, aim, measured, verdict}` as texts. Without a figure, the verdict says so. */
export function judge({ what, aim, atMost = false, unit, figure }) {
  const { show, gap } = UNITS[unit];
  const texts = { what, aim: `${atMost ? "≤" : "≥"} ${show(aim)}` };
  if (!Number.isFinite(figure)) return { ...texts, measured: "", verdict: "not measured" };
  const missing = atMost ? figure - aim : aim - figure;
  return { ...texts, measured: show(figure), verdict: missing > 0 ? `**missed** by ${gap(missing)}` : "met" };
}

const peaksOf = ({ catchUp = [] }) => catchUp.map(({ whole }) => whole.peak).filter(Number.isFinite);

const cutGoals = ({ cut }) => [
  ["raw_value", "at least 3 times `RawValue`", 3],
  ["memchr3", "at least half of `memchr3` over quotes and closing brackets", 0.5],
  ["memchr_none", "at least half of plain `memchr`, which stops nowhere", 0.5],
].filter(([other]) => cut[other]).flatMap(([other, words, aim]) => Object.keys(cut.cutter).map((shape) => (
  { what: `cut, ${shape}: ${words}`, aim, unit: "times", figure: cut.cutter[shape] / cut[other][shape] })));

/** Every goal of which the figures may say something. */
export function goals(figures) {
  const { cut, catchUp, steady, fairness, backlog, start, hour } = figures;
  const peaks = peaksOf(figures);
  const large = catchUp?.filter(({ size }) => size > 1) ?? [];
  return [
    ...large.map(({ size, toLimit }) => (
      { what: `catch-up of ${sizeName(size)}, of the slower of reading and sending alone`, aim: 0.9, unit: "percent", figure: toLimit })),
    ...large.map(({ size, toVendors }) => ({
      what: `catch-up of ${sizeName(size)}, beside the faster of the vendors' functions, made incremental and split`,
      aim: 8, unit: "times", figure: toVendors,
    })),
    ...(cut ? cutGoals(figures) : []),
    {
      what: "p99 of a small event while two large blobs are caught up with, beside the same alone",
      aim: 3, unit: "times", atMost: true, figure: fairness?.ratio,
    },
    { what: "a backlog of small blobs, beside the forwarder that took two at a time", aim: 10, unit: "times", figure: backlog?.ratio },
    { what: "peak memory, at any blob size", aim: 64, unit: "MiB", atMost: true, figure: Math.max(...peaks) / MIB },
    { what: "storage calls for an event", aim: 4, unit: "number", atMost: true, figure: storageCalls(steady) ?? hour?.calls },
    { what: "bytes read per byte delivered", aim: 1.01, unit: "number", atMost: true, figure: hour?.readPerDelivered },
    { what: "ready after the start in", aim: 50, unit: "ms", atMost: true, figure: start?.ms },
    { what: "binary", aim: 12, unit: "MB", atMost: true, figure: start && start.binary / 1e6 },
  ].map(judge);
}

/** Of the calls per event, those to storage. */
export const storageCalls = (steady) => steady && Object.entries(steady.kinds)
  .filter(([kind]) => !kind.startsWith("hub")).reduce((sum, [, n]) => sum + n, 0);
