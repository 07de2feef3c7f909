// A thousand interfaces, a commit a minute each: how many events one process takes when it gets the next as soon as it
// has answered one, how long an answer takes at a given pace, and what an event costs.

import { HOUR, macOf } from "./blobs.mjs";
import { atOnce, median, quantile, sleep } from "./figures.mjs";
import { hubStats, invoke, withHandler, withRig } from "./handler.mjs";

const NICS = 1000;
const AT_ONCE = 64;
/** How much faster than in life the commits come, in the paced rounds, as long as that stays below saturation. */
const PACES = [10, 5, 2, 1];
const BELOW_SATURATION = 0.7;
const COMMIT = { records: 2, tuples: 100 };
const REAL_PER_SECOND = NICS / 60;

/** The multiple of real time to pace at, for a process that takes so many events a second. */
export const paceFor = (perSecond) => PACES.find((pace) => pace * REAL_PER_SECOND <= BELOW_SATURATION * perSecond);

const blobs = (rig) => atOnce(16, Array.from({ length: NICS }, (_, i) => macOf(i)), async (mac) =>
  (await rig.control("POST", "/watcher/blobs", { mac, hour: HOUR })).blob);

/** One commit more of every blob, all before the clock starts; gives the events. */
const commits = async (rig, ids) => (await atOnce(16, ids, (blob) => rig.control("POST", "/watcher/append", { blob, ...COMMIT }))).map(({ event }) => event);

/** So many at once, the next as soon as one is answered: `{seconds, cpu}`. */
async function closedLoop({ host, cpu }, events) {
  const [before, started] = [cpu(), performance.now()];
  await atOnce(AT_ONCE, events, (event) => invoke(host, event));
  return { seconds: (performance.now() - started) / 1000, cpu: cpu() - before };
}

/** At a fixed pace, whatever the answers: how long each took, in ms from when it was due. */
async function openLoop({ host }, events, perSecond) {
  const started = performance.now();
  return Promise.all(events.map(async (event, i) => {
    const due = started + (i * 1000) / perSecond;
    await sleep(due - performance.now());
    await invoke(host, event);
    return performance.now() - due;
  }));
}

/** Rates and times, with nothing between the handler and what it talks to. */
async function timed({ runs, progress }) {
  return withRig(async (rig) => {
    const ids = await blobs(rig);
    progress(`  ${NICS} blobs prepared`);
    return withHandler(rig, async (handler) => {
      // The first commit also makes each blob's checkpoint.
      await closedLoop(handler, await commits(rig, ids));
      const closed = [];
      for (let n = 0; n < runs; n += 1) closed.push(await closedLoop(handler, await commits(rig, ids)));
      progress(`  ${AT_ONCE} at once: ${JSON.stringify(closed)}`);
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

/** What an event asks for, by kind: the same round once more, with a proxy in between that counts. */
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

export async function steady(how) {
  const result = { nics: NICS, atOnce: AT_ONCE, runs: how.runs, ...(await timed(how)), kinds: await counted() };
  how.progress(`  ${JSON.stringify(result)}`);
  return result;
}
