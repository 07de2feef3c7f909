// Steady state of a thousand interfaces with a commit a minute each: events a second of one process in a closed loop,
// latency at a fixed pace, and calls per event.

import { setTimeout as sleep } from "node:timers/promises";
import { HOUR, macOf } from "./blobs.mjs";
import { hubStats, invoke, withHandler, withRig } from "./handler.mjs";
import { median, quantile } from "./statistics.mjs";
import { runConcurrently } from "./tasks.mjs";

const NICS = 1000;
const CONCURRENCY = 64;
/** Multiples of real time for the paced rounds; the fastest one below saturation is used. */
const PACES = [10, 5, 2, 1];
const BELOW_SATURATION = 0.7;
const COMMIT = { records: 2, tuples: 100 };
const REAL_PER_SECOND = NICS / 60;

/** The multiple of real time to pace at, for a process that handles `perSecond` events a second. */
export const paceFor = (perSecond) => PACES.find((pace) => pace * REAL_PER_SECOND <= BELOW_SATURATION * perSecond);

const blobs = (rig) => runConcurrently(16, Array.from({ length: NICS }, (_, i) => macOf(i)), async (mac) =>
  (await rig.control("POST", "/watcher/blobs", { mac, hour: HOUR })).blob);

/** Commits once to every blob, before the clock starts; returns the events. */
const commits = async (rig, ids) => (await runConcurrently(16, ids, (blob) => rig.control("POST", "/watcher/append", { blob, ...COMMIT }))).map(({ event }) => event);

/** Invokes with a fixed number of events in flight: `{seconds, cpu}`. */
async function closedLoop({ host, cpu }, events) {
  const [before, started] = [cpu(), performance.now()];
  await runConcurrently(CONCURRENCY, events, (event) => invoke(host, event));
  return { seconds: (performance.now() - started) / 1000, cpu: cpu() - before };
}

/** Invokes at a fixed pace, without waiting for answers; returns the latencies, ms from the scheduled time. */
async function openLoop({ host }, events, perSecond) {
  const started = performance.now();
  return Promise.all(events.map(async (event, i) => {
    const due = started + (i * 1000) / perSecond;
    await sleep(due - performance.now());
    await invoke(host, event);
    return performance.now() - due;
  }));
}

/** Rates and latencies, without the storage proxy. */
async function timed({ runs, progress }) {
  return withRig(async (rig) => {
    const ids = await blobs(rig);
    progress(`  ${NICS} blobs prepared`);
    return withHandler(rig, async (handler) => {
      // Warms up: creates the checkpoints.
      await closedLoop(handler, await commits(rig, ids));
      const closed = [];
      for (let n = 0; n < runs; n += 1) closed.push(await closedLoop(handler, await commits(rig, ids)));
      progress(`  ${CONCURRENCY} at once: ${JSON.stringify(closed)}`);
      const perSecond = median(closed.map(({ seconds }) => NICS / seconds));
      const result = { perSecond, cpuMs: median(closed.map(({ cpu }) => (cpu / NICS) * 1000)), pace: paceFor(perSecond) };
      if (result.pace !== undefined) {
        const paced = [];
        for (let n = 0; n < runs; n += 1) paced.push(await openLoop(handler, await commits(rig, ids), result.pace * REAL_PER_SECOND));
        result.p50 = median(paced.map((took) => quantile(took, 0.5)));
        result.p99 = median(paced.map((took) => quantile(took, 0.99)));
        progress(`  at ${result.pace} times real time: p50 ${result.p50} ms, p99 ${result.p99} ms`);
      }
      return { ...result, peak: handler.peak() };
    });
  });
}

const HUB_CALLS = { transfers: "hub transfer", attaches: "hub attach", putTokens: "hub put-token", connections: "hub connection" };

/** Calls per event, by kind: another round, through the storage proxy, which counts them. */
async function counted() {
  return withRig(async (rig) => {
    const ids = await blobs(rig);
    return withHandler(rig, async (handler) => {
      await closedLoop(handler, await commits(rig, ids));
      const events = await commits(rig, ids);
      const before = await hubStats(rig);
      await rig.control("DELETE", "/storage/requests");
      await closedLoop(handler, events);
      const [{ byKind }, after] = [await rig.control("GET", "/storage/requests"), await hubStats(rig)];
      const kinds = Object.entries(byKind).map(([kind, { requests }]) => [kind, requests / NICS]);
      for (const [counter, kind] of Object.entries(HUB_CALLS)) kinds.push([kind, (after[counter] - before[counter]) / NICS]);
      return Object.fromEntries(kinds);
    });
  }, "--storage-proxy");
}

export async function steady({ runs, progress }) {
  const result = { nics: NICS, atOnce: CONCURRENCY, runs, ...(await timed({ runs, progress })), kinds: await counted() };
  progress(`  ${JSON.stringify(result)}`);
  return result;
}
