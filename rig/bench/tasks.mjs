// Ways to run the tasks of a benchmark.

import { ROOT } from "../forwarder.mjs";

/** The result of `work`, or `{failed: reason}`: one failed measurement must not stop the others. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    // For the page: one line, without paths of this machine, and safe in a table.
    return { failed: error.message.trim().split("\n")[0].replaceAll(ROOT, "").replaceAll("|", "/") };
  }
}

/** Runs `work` on every item, at most `limit` at once; returns the results in order. */
export async function runConcurrently(limit, items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at], at);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
