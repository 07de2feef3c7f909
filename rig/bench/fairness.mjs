// The latency of events of small commits: alone, and while a sweep catches up with two large blobs.

import { setTimeout as sleep } from "node:timers/promises";
import { HOUR, macOf, MB, upload } from "./blobs.mjs";
import { hubStats, withHandler, withRig } from "./handler.mjs";
import { quantile } from "./statistics.mjs";
import { runConcurrently } from "./tasks.mjs";

const NICS = 100;
/** Small commits a second. */
const PACE = 20;
/** Number of commits measured alone. */
const ALONE = 300;
/** Fewer samples give no 99th percentile. */
const MIN_SAMPLES = 100;
const LARGE_BLOBS = 2;
const COMMIT = { records: 2, tuples: 100 };
// Keeps the MAC addresses of the small blobs apart from those of `upload`.
const FIRST_NIC = 10_000;
/** The catch-up counts as started once the hub has this many bytes of it. */
const STARTED_AFTER = 16 * MB;

/** Wait before a failed event is delivered again, ms; it counts as part of the event's latency. */
const REDELIVERY_WAIT = 1000;
const MAX_REDELIVERIES = 60;

/** Delivers an event until it succeeds; returns the number of failures. */
async function deliverUntilSuccess(host, event) {
  for (let failures = 0; ; failures += 1) {
    const { ok, reason } = await host.invoke(event);
    if (ok) return failures;
    if (failures === MAX_REDELIVERIES) throw new Error(reason);
    await sleep(REDELIVERY_WAIT);
  }
}

const summarize = (times) => ({ events: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99) });

/** Compares two series of latencies, ms: `{alone, beside: {events, p50, p99}, ratio}`. */
export function compare(alone, beside) {
  if (beside.length < MIN_SAMPLES) throw new Error(`the large blobs were forwarded after ${beside.length} events, too few for a 99th percentile`);
  const [before, during] = [summarize(alone), summarize(beside)];
  return { alone: before, beside: during, ratio: during.p99 / before.p99 };
}

/** Commits to the blobs in turn, at a fixed pace, until `isOver(count)`. For each event: `{begun, took, failures}`, times in ms. */
async function series(rig, host, ids, isOver) {
  const started = performance.now();
  const running = [];
  for (let i = 0; !isOver(i); i += 1) {
    await sleep(started + (i * 1000) / PACE - performance.now());
    running.push((async () => {
      const { event } = await rig.control("POST", "/watcher/append", { blob: ids[i % ids.length], ...COMMIT });
      const begun = performance.now();
      const failures = await deliverUntilSuccess(host, event);
      return { begun, failures, took: performance.now() - begun };
    })());
    // Its rejection is handled by Promise.all below.
    running.at(-1).catch(() => {});
  }
  return Promise.all(running);
}

async function catchUpStarted(rig, before) {
  while ((await hubStats(rig)).bytes - before < STARTED_AFTER) await sleep(20);
}

/** `{size, large, pace, peak, failures, alone, beside, ratio}`; `size` of a large blob in MB. */
export const fairness = ({ size, progress }) => withRig(async (rig) => {
  const macs = Array.from({ length: NICS }, (_, i) => macOf(FIRST_NIC + i));
  const ids = await runConcurrently(16, macs, async (mac) => (await rig.control("POST", "/watcher/blobs", { mac, hour: HOUR })).blob);
  return withHandler(rig, async ({ host, peak }) => {
    // Warms up: creates the checkpoints and connects.
    await series(rig, host, ids, (count) => count === NICS);
    // The first sweep skips blobs that exist already, so it must run before the large ones are uploaded.
    await host.invokeTimer();
    const large = [];
    while (large.length < LARGE_BLOBS) large.push(await upload(rig, size * MB));
    progress(`  ${LARGE_BLOBS} blobs of ${size} MB prepared`);
    const alone = await series(rig, host, ids, (count) => count === ALONE);

    const before = (await hubStats(rig)).bytes;
    let ended;
    const sweep = host.invokeTimer().then((answer) => {
      ended = performance.now();
      return answer;
    });
    await catchUpStarted(rig, before);
    const beside = await series(rig, host, ids, () => ended !== undefined);
    const { ok, reason, answer } = await sweep;
    if (!ok) throw new Error(reason);
    const [length, arrived] = [large.reduce((sum, blob) => sum + blob.length, 0), (await hubStats(rig)).bytes - before];
    if (arrived < length) throw new Error(`only ${arrived} of ${length} bytes arrived: ${answer.Logs.join("; ")}`);
    const times = (list) => list.map(({ took }) => took);
    const during = beside.filter(({ begun }) => begun < ended);
    const failures = during.reduce((sum, one) => sum + one.failures, 0);
    const result = { size, large: LARGE_BLOBS, pace: PACE, peak: peak(), failures, ...compare(times(alone), times(during)) };
    progress(`  ${JSON.stringify(result)}`);
    return result;
  });
});
