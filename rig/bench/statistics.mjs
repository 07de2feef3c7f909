// What is made of several measurements.

import { ROOT } from "./build.mjs";

const sorted = (list) => [...list].sort((a, b) => a - b);

/** The value below which `part` of them lie. */
export const quantile = (list, part) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))];

/** The middle one; of an even number, what lies between the two in the middle. */
export function median(list) {
  if (list.length === 0) return undefined;
  const all = sorted(list);
  return (all[Math.floor((list.length - 1) / 2)] + all[Math.floor(list.length / 2)]) / 2;
}

/** The median of what `figure` says of each, leaving out those of which it says nothing. */
export const medianOf = (list, figure) => median(list.map(figure).filter((n) => Number.isFinite(n)));

/** What `work` gives, or `{failed}`, without this machine's paths: a figure that can't be had must not cost the others. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { failed: error.message.trim().split("\n")[0].replaceAll(ROOT, "").replaceAll("|", "/") };
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Does `work` with every item, so many at once; gives the results in order. */
export async function atOnce(many, items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at], at);
  };
  await Promise.all(Array.from({ length: Math.min(many, items.length) }, worker));
  return results;
}
