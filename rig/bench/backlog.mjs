// One sweep drains a backlog of small blobs, with latency added to each storage call: measured for the baseline commit and
// for the current build.

import { existsSync } from "node:fs";
import { BINARY } from "../forwarder.mjs";
import { thisHour } from "../watcher/names.mjs";
import { macOf } from "./blobs.mjs";
import { hubStats, withHandler, withRig } from "./handler.mjs";
import { runConcurrently } from "./tasks.mjs";

const BLOBS = 1000;
/** Latency added to each storage call, ms. */
const DELAY = 20;
const SWEEP_MS = 280_000;

/** `{records, seconds, perSecond, peak}` of one sweep by the program `command`. */
const drain = (command) => withRig(async (rig) => {
  const macs = Array.from({ length: BLOBS }, (_, i) => macOf(i));
  const hour = thisHour();
  await runConcurrently(16, macs, async (mac) => {
    const { blob } = await rig.control("POST", "/watcher/blobs", { mac, hour });
    await rig.control("POST", "/watcher/append", { blob, records: 1, tuples: 10 });
  });
  await rig.control("POST", "/storage/faults", { action: "delay", ms: DELAY, count: "all" });
  return withHandler(rig, async ({ host, peak }) => {
    const started = performance.now();
    const { ok, reason } = await host.invokeTimer("FlowLogSweep", { timeoutMs: SWEEP_MS });
    const seconds = (performance.now() - started) / 1000;
    if (!ok) throw new Error(reason);
    // Each blob has one record, which is one message. A sweep that runs out of time is rated by what it has sent.
    const records = (await hubStats(rig)).events;
    return { records, seconds, perSecond: records / seconds, peak: peak() };
  }, command);
}, "--storage-proxy");

/** `{blobs, delay, before, now, ratio}`: both programs, measured one after the other. */
export async function backlog({ before, progress }) {
  if (!existsSync(before)) throw new Error(`no baseline binary at ${before}: name it with --before`);
  const result = { blobs: BLOBS, delay: DELAY };
  for (const [name, command] of Object.entries({ before, now: BINARY })) {
    result[name] = await drain(command);
    progress(`  ${name}: ${JSON.stringify(result[name])}`);
  }
  return { ...result, ratio: result.now.perSecond / result.before.perSecond };
}
