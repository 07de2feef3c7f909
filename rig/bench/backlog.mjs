// A backlog of small blobs, drained by one sweep, with storage as far away as a proxy can make it: by the forwarder as it
// was at an earlier commit, and as it is.

import { existsSync } from "node:fs";
import { macOf } from "./blobs.mjs";
import { HANDLER } from "./build.mjs";
import { atOnce } from "./figures.mjs";
import { hubStats, withHandler, withRig } from "./handler.mjs";

const BLOBS = 1000;
/** Added to each storage call, ms. */
const DELAY = 20;
const SWEEP_MS = 280_000;

const thisHour = () => new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000).toISOString();

/** Records a second: `{records, seconds, perSecond, peak}`. */
const drain = (command) => withRig(async (rig) => {
  const macs = Array.from({ length: BLOBS }, (_, i) => macOf(i));
  const hour = thisHour();
  await atOnce(16, macs, async (mac) => {
    const { blob } = await rig.control("POST", "/watcher/blobs", { mac, hour });
    await rig.control("POST", "/watcher/append", { blob, records: 1, tuples: 10 });
  });
  await rig.control("POST", "/storage/faults", { action: "delay", ms: DELAY, count: "all" });
  return withHandler(rig, async ({ host, peak }) => {
    const begun = performance.now();
    const { ok, reason } = await host.invokeTimer("FlowLogSweep", { timeoutMs: SWEEP_MS });
    const seconds = (performance.now() - begun) / 1000;
    if (!ok) throw new Error(reason);
    // Each blob's only record is a message of its own. What a sweep leaves over counts for what was done in its time.
    const records = (await hubStats(rig)).events;
    return { records, seconds, perSecond: records / seconds, peak: peak() };
  }, command);
}, "--storage-proxy");

/** `{blobs, delay, before, now, ratio}` of the two programs, one after the other. */
export async function backlog({ before, progress }) {
  if (!existsSync(before)) throw new Error("the earlier program is missing: name it with --before");
  const result = { blobs: BLOBS, delay: DELAY };
  for (const [name, command] of Object.entries({ before, now: HANDLER })) {
    result[name] = await drain(command);
    progress(`  ${name}: ${JSON.stringify(result[name])}`);
  }
  return { ...result, ratio: result.now.perSecond / result.before.perSecond };
}
