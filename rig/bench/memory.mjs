// Peak memory of one process against events at once.

import { MB, upload } from "./blobs.mjs";
import { atOnce, median } from "./figures.mjs";
import { hubStats, invoke, withHandler, withRig } from "./handler.mjs";

/** Events at once, and the size of each one's blob. */
const CASES = [
  ...[1, 4, 16, 64, 256].map((many) => ({ many, size: 0.06 })),
  ...[1, 4, 16].map((many) => ({ many, size: 16 })),
];

async function peakOf(rig, { many, size }) {
  const blobs = await atOnce(4, Array(many).fill(size * MB), (length) => upload(rig, length));
  const length = blobs.reduce((sum, blob) => sum + blob.length, 0);
  const before = (await hubStats(rig)).bytes;
  try {
    return await withHandler(rig, async ({ host, peak }) => {
      // An event's time may end before its blob is forwarded: Event Grid would bring it again.
      for (let round = 0; round === 0 || (await hubStats(rig)).bytes - before < length; round += 1) {
        if (round === 10) throw new Error("it does not get on");
        await Promise.all(blobs.map(({ event }) => invoke(host, event)));
      }
      return peak();
    });
  } finally {
    await atOnce(4, blobs, (blob) => blob.remove());
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
