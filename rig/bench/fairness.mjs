// How long the event of a small commit takes alone, and while a sweep catches up with two large blobs.

import { HOUR, macOf, MB, upload } from "./blobs.mjs";
import { atOnce, quantile, sleep } from "./figures.mjs";
import { hubStats, withHandler, withRig } from "./handler.mjs";

const NICS = 100;
/** Small commits a second. */
const PACE = 20;
/** How many of them are measured alone. */
const ALONE = 300;
/** A 99th percentile of fewer says nothing. */
const FEWEST = 100;
const LARGE = 2;
const COMMIT = { records: 2, tuples: 100 };
// So that no number of a large blob's interface is a small one's.
const FIRST_NIC = 10_000;
/** When so much of the large blobs is in the hub, catching up is well under way, bytes. */
const UNDER_WAY = 16 * MB;

/** An event that fails comes again so much later, ms: that time is part of what it took. */
const AGAIN = 1000;
const MOST_DELIVERIES = 60;

/** Delivers an event until it succeeds; gives how often it failed. */
async function persist(host, event) {
  for (let failures = 0; ; failures += 1) {
    const { ok, reason } = await host.invoke(event);
    if (ok) return failures;
    if (failures === MOST_DELIVERIES) throw new Error(reason);
    await sleep(AGAIN);
  }
}

const pick = (took) => ({ events: took.length, p50: quantile(took, 0.5), p99: quantile(took, 0.99) });

/** What the two series of times, in ms, say: `{alone, beside: {events, p50, p99}, ratio}`. */
export function compared(alone, beside) {
  if (beside.length < FEWEST) throw new Error(`the large blobs were forwarded after ${beside.length} events, of which no 99th percentile can be had`);
  const [before, during] = [pick(alone), pick(beside)];
  return { alone: before, beside: during, ratio: during.p99 / before.p99 };
}

/** Commits at a fixed pace, each time to the next blob, until `isOver(count)`; `{begun, took, failures}` of each event, in ms. */
async function series(rig, host, ids, isOver) {
  const started = performance.now();
  const playing = [];
  for (let i = 0; !isOver(i); i += 1) {
    await sleep(started + (i * 1000) / PACE - performance.now());
    playing.push((async () => {
      const { event } = await rig.control("POST", "/watcher/append", { blob: ids[i % ids.length], ...COMMIT });
      const begun = performance.now();
      const failures = await persist(host, event);
      return { begun, failures, took: performance.now() - begun };
    })());
    // Awaited below: until then nobody is told.
    playing.at(-1).catch(() => {});
  }
  return Promise.all(playing);
}

async function underWay(rig, before) {
  while ((await hubStats(rig)).bytes - before < UNDER_WAY) await sleep(20);
}

/** `{size, large, pace, peak, failures, alone, beside, ratio}`: `size` of each large blob in MB. */
export const fairness = ({ size, progress }) => withRig(async (rig) => {
  const macs = Array.from({ length: NICS }, (_, i) => macOf(FIRST_NIC + i));
  const ids = await atOnce(16, macs, async (mac) => (await rig.control("POST", "/watcher/blobs", { mac, hour: HOUR })).blob);
  return withHandler(rig, async ({ host, peak }) => {
    // Each blob's first commit also makes its checkpoint, and the first of all connects.
    await series(rig, host, ids, (count) => count === NICS);
    // What is there already at its first sweep, a forwarder leaves to the past: let that be these.
    await host.invokeTimer();
    const large = [];
    while (large.length < LARGE) large.push(await upload(rig, size * MB));
    progress(`  ${LARGE} blobs of ${size} MB prepared`);
    const alone = await series(rig, host, ids, (count) => count === ALONE);

    const before = (await hubStats(rig)).bytes;
    let ended;
    const sweep = host.invokeTimer().then((answer) => {
      ended = performance.now();
      return answer;
    });
    await underWay(rig, before);
    const beside = await series(rig, host, ids, () => ended !== undefined);
    const { ok, reason, answer } = await sweep;
    if (!ok) throw new Error(reason);
    const [length, arrived] = [large.reduce((sum, blob) => sum + blob.length, 0), (await hubStats(rig)).bytes - before];
    if (arrived < length) throw new Error(`of ${length} bytes ${arrived} arrived: ${answer.Logs.join("; ")}`);
    const times = (list) => list.map(({ took }) => took);
    const during = beside.filter(({ begun }) => begun < ended);
    const failures = during.reduce((sum, one) => sum + one.failures, 0);
    const result = { size, large: LARGE, pace: PACE, peak: peak(), failures, ...compared(times(alone), times(during)) };
    progress(`  ${JSON.stringify(result)}`);
    return result;
  });
});
