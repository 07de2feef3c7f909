// Peak memory of one process by the number of concurrent events.

import { MB, upload } from "./blobs.mjs";
import { hubStats, invoke, withHandler, withRig } from "./handler.mjs";
import { median } from "./statistics.mjs";
import { runConcurrently } from "./tasks.mjs";

/** Number of concurrent events, and the size of each one's blob, MB. */
const CASES = [
  ...[1, 4, 16, 64, 256].map((many) => ({ many, size: 0.06 })),
  ...[1, 4, 16].map((many) => ({ many, size: 16 })),
];

async function peakOf(rig, { many, size }) {
  const blobs = await runConcurrently(4, Array(many).fill(size * MB), (length) => upload(rig, length));
  const length = blobs.reduce((sum, blob) => sum + blob.length, 0);
  const before = (await hubStats(rig)).bytes;
  try {
    return await withHandler(rig, async ({ host, peak }) => {
      // An invocation may reach its deadline before its blob is forwarded; Event Grid would deliver the event again.
      for (let round = 0; round === 0 || (await hubStats(rig)).bytes - before < length; round += 1) {
        if (round === 10) throw new Error("not forwarded within 10 deliveries");
        await Promise.all(blobs.map(({ event }) => invoke(host, event)));
      }
      return peak();
    });
  } finally {
    await runConcurrently(4, blobs, (blob) => blob.remove());
  }
}

export const memory = ({ runs, progress }) => withRig(async (rig) => {
  const rows = [];
  for (const one of CASES) {
    const peaks = [];
    for (let n = 0; n < runs; n += 1) peaks.push(await peakOf(rig, one));
    rows.push({ ...one, peak: median(peaks) });
    progress(`  ${one.many} at once of ${one.size} MB: ${JSON.stringify(peaks)}`);
  }
  return rows;
});
