// One large blob through the release binary, from its first byte, beside reading alone, sending alone, and what the
// vendors' function does with it.

import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { fileURLToPath } from "node:url";
import { MB, upload } from "./blobs.mjs";
import { output } from "./build.mjs";
import { attempt, medianOf } from "./figures.mjs";
import { deliver, HUB, withHandler, withRig } from "./handler.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const PYTHON = here(".venv/bin/python");
// A blob of this size or more is played once: it takes minutes.
const ONCE = 1000;
// Python's records and texts took 4 times the blob when this was written; what does not fit would be killed.
const PYTHON_TIMES = 6;
// One string of Node's may have no more.
const NODE_STRING = 2 ** 29 - 24;

/** `{seconds, peak, cpu}` of a new process. */
const forwarder = (rig, { event, length }) => withHandler(rig, async ({ host, peak, cpu }) => {
  const seconds = await deliver(rig, host, event, length);
  return { seconds, peak: peak(), cpu: cpu() };
});

async function vendors(program, args) {
  if (!existsSync(program)) throw new Error("not run: `make bench` installs what it needs");
  const result = JSON.parse(await output(program, args, { timeoutMs: 240_000 }));
  if (result.failed) throw new Error(result.failed);
  return result;
}

/** The forwarder's two halves, each in a program of its own. */
const halves = (limits) => ({
  read: async (_, { url, length }) => ({ seconds: Number(await output(limits, ["read", url, String(length)])) }),
  send: async ({ endpoints }, { length }) => {
    const [, name, key] = /SharedAccessKeyName=([^;]+);SharedAccessKey=([^;]+)/.exec(endpoints.hubConnection);
    return { seconds: Number(await output(limits, ["send", String(endpoints.hubPort), name, key, HUB, String(length)])) };
  },
});

/** Who is measured: each by `(rig, blob)`, giving at least `{seconds}`. */
const contenders = (limits) => ({
  whole: forwarder,
  ...halves(limits),
  // What this machine gives to both halves at once, none of them waiting for the other.
  both: async (...how) => {
    const each = await Promise.all(Object.values(halves(limits)).map((half) => half(...how)));
    return { seconds: Math.max(...each.map(({ seconds }) => seconds)) };
  },
  python: ({ endpoints }, { url, length }) => {
    if (freemem() < length * PYTHON_TIMES) throw new Error("not run: not enough memory free");
    return vendors(PYTHON, [here("vendors.py"), "incremental", url, endpoints.hubConnection, HUB]);
  },
  node: ({ endpoints }, { url, length }) => {
    if (length > NODE_STRING) throw new Error("not run: longer than a string of Node's may be");
    return vendors(process.execPath, [here("vendors.mjs"), url, endpoints.hubConnection, HUB]);
  },
  naive: ({ endpoints }, { url, length }) => {
    if (length > ONCE * MB) throw new Error("not run: what it does with less is above");
    return vendors(PYTHON, [here("vendors.py"), "naive", url, endpoints.hubConnection, HUB]);
  },
});

/** What one run says of the forwarder beside the others. */
export function ratios({ whole, read, send, both, python, node }) {
  const fastest = Math.min(...[python, node].map((one) => one.seconds ?? Infinity));
  return {
    toLimit: Math.max(read.seconds, send.seconds) / whole.seconds,
    toBoth: both.seconds / whole.seconds,
    toVendors: fastest === Infinity ? undefined : fastest / whole.seconds,
  };
}

/** A row of the page: rates in MB/s and ratios, each the median of the runs, or why there is none. */
export function summary(size, length, played) {
  const figure = (name) => {
    const rate = medianOf(played, ({ [name]: one }) => length / MB / one.seconds);
    return rate === undefined ? { failed: played[0][name].failed } : { rate, peak: medianOf(played, ({ [name]: one }) => one.peak) };
  };
  const row = { size, length, runs: played.length };
  for (const name of Object.keys(played[0])) row[name] = figure(name);
  row.whole.cpu = medianOf(played, ({ whole }) => whole.cpu / (length / 1e9));
  for (const name of ["toLimit", "toBoth", "toVendors"]) row[name] = medianOf(played, (one) => ratios(one)[name]);
  return row;
}

/**
 * In which order a run measures whom: the forwarder and its limits from another one on each time, for whoever comes first
 * pays for what uploading left behind; then the others, whose messages of any length are not to be paid for by those.
 */
export function turned(names, by) {
  const first = names.slice(0, 4);
  return [...first.map((_, i) => first[(i + by) % first.length]), ...names.slice(4)];
}

async function oneSize({ limits, size, runs, progress }) {
  return withRig(async (rig) => {
    const all = contenders(limits);
    // Azurite and the hub are compiled as they run: whoever came first would pay for that.
    const first = await upload(rig, Math.min(size, 64) * MB);
    for (const name of ["read", "send"]) await attempt(() => all[name](rig, first));
    await first.remove();
    const played = [];
    let length;
    for (let n = 0; n < (size >= ONCE ? 1 : runs); n += 1) {
      // What has been forwarded once is not forwarded again: each run has a blob of its own.
      const blob = await upload(rig, size * MB);
      const one = {};
      for (const name of turned(Object.keys(all), n)) one[name] = await attempt(async () => all[name](rig, blob));
      await blob.remove();
      progress(`  ${size} MB, run ${n + 1}: ${JSON.stringify(one)}`);
      length = blob.length;
      played.push(one);
    }
    return summary(size, length, played);
  });
}

/** A row for each size, each on a rig of its own: Azurite keeps in memory for a while what is deleted. */
export async function catchUps({ sizes, ...how }) {
  const rows = [];
  for (const size of sizes) rows.push(await oneSize({ size, ...how }));
  return rows;
}

/** The longest message that Microsoft's client gets through, what it says beyond, and the naive function just below. */
export const largestMessage = () => attempt(() => withRig(async (rig) => {
  const found = await vendors(PYTHON, [here("vendors.py"), "largest", rig.endpoints.hubConnection, HUB]);
  const blob = await upload(rig, found.largest * 0.9);
  const { seconds } = await contenders().naive(rig, blob);
  return { largest: found.largest, beyond: found.beyond.split("\n")[0], length: blob.length, rate: blob.length / MB / seconds };
}));
