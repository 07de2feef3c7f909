// Forwards one large blob from its first byte, and compares the rate with reading alone, sending alone, and the vendors'
// function.

import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { fileURLToPath } from "node:url";
import { MB, upload } from "./blobs.mjs";
import { HUB } from "../forwarder.mjs";
import { output } from "./build.mjs";
import { deliver, withHandler, withRig } from "./handler.mjs";
import { medianOf } from "./statistics.mjs";
import { attempt } from "./tasks.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const PYTHON = here(".venv/bin/python");
// Blobs from this size on, MB, are measured once: a run takes minutes.
const ONCE_FROM = 1000;
// Python needs about 4 times the blob's size in memory; this leaves a margin before the system kills it.
const PYTHON_MEMORY_FACTOR = 6;
// The longest string in Node, in UTF-16 units.
const NODE_MAX_STRING = 2 ** 29 - 24;

/** `{seconds, peak, cpu}` of a new forwarder process. */
const forwarder = (rig, { event, length }) => withHandler(rig, async ({ host, peak, cpu }) => {
  const seconds = await deliver(rig, host, event, length);
  return { seconds, peak: peak(), cpu: cpu() };
});

async function vendors(program, args) {
  if (!existsSync(program)) throw new Error("not run: `make bench` installs its requirements");
  const result = JSON.parse(await output(program, args, { timeoutMs: 240_000 }));
  if (result.failed) throw new Error(result.failed);
  return result;
}

/** Reading alone and sending alone, each in its own program (benches/limits.rs). */
const halves = (limits) => ({
  read: async (_, { url, length }) => ({ seconds: Number(await output(limits, ["read", url, String(length)])) }),
  send: async ({ endpoints }, { length }) => {
    const [, name, key] = /SharedAccessKeyName=([^;]+);SharedAccessKey=([^;]+)/.exec(endpoints.hubConnection);
    return { seconds: Number(await output(limits, ["send", String(endpoints.hubPort), name, key, HUB, String(length)])) };
  },
});

/** How to measure each contender: `(rig, blob)` to at least `{seconds}`. */
const contenders = (limits) => ({
  whole: forwarder,
  ...halves(limits),
  // What this machine achieves if both run at the same time, independently.
  both: async (rig, blob) => {
    const each = await Promise.all(Object.values(halves(limits)).map((half) => half(rig, blob)));
    return { seconds: Math.max(...each.map(({ seconds }) => seconds)) };
  },
  python: ({ endpoints }, { url, length }) => {
    if (freemem() < length * PYTHON_MEMORY_FACTOR) throw new Error("not run: not enough free memory");
    return vendors(PYTHON, [here("vendors.py"), "incremental", url, endpoints.hubConnection, HUB]);
  },
  node: ({ endpoints }, { url, length }) => {
    if (length > NODE_MAX_STRING) throw new Error("not run: longer than the longest string in Node");
    return vendors(process.execPath, [here("vendors.mjs"), url, endpoints.hubConnection, HUB]);
  },
  naive: ({ endpoints }, { url, length }) => {
    if (length > ONCE_FROM * MB) throw new Error("not run: see the smaller sizes");
    return vendors(PYTHON, [here("vendors.py"), "naive", url, endpoints.hubConnection, HUB]);
  },
});

/** The forwarder's rate in one run, relative to the other contenders. */
export function ratios({ whole, read, send, both, python, node }) {
  const fastest = Math.min(...[python, node].map((one) => one.seconds ?? Infinity));
  return {
    toLimit: Math.max(read.seconds, send.seconds) / whole.seconds,
    toBoth: both.seconds / whole.seconds,
    toVendors: fastest === Infinity ? undefined : fastest / whole.seconds,
  };
}

/** One row of the page: median rates in MB/s and median ratios, or the reason why there are none. */
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
 * The order of measurements in a run. The forwarder and its limits rotate, because the first one is slowed down by the
 * upload before it; the vendors' functions come last, so that their large messages do not slow down the others.
 */
export function measurementOrder(names, run) {
  const first = names.slice(0, 4);
  return [...first.map((_, i) => first[(i + run) % first.length]), ...names.slice(4)];
}

async function oneSize({ limits, size, runs, progress }) {
  return withRig(async (rig) => {
    const all = contenders(limits);
    // Warms up Azurite and the hub, which Node compiles while they run.
    const warmUp = await upload(rig, Math.min(size, 64) * MB);
    for (const name of ["read", "send"]) await attempt(() => all[name](rig, warmUp));
    await warmUp.remove();
    const played = [];
    let length;
    for (let n = 0; n < (size >= ONCE_FROM ? 1 : runs); n += 1) {
      // A blob is forwarded only once, so each run needs a new one.
      const blob = await upload(rig, size * MB);
      const one = {};
      for (const name of measurementOrder(Object.keys(all), n)) one[name] = await attempt(async () => all[name](rig, blob));
      await blob.remove();
      progress(`  ${size} MB, run ${n + 1}: ${JSON.stringify(one)}`);
      length = blob.length;
      played.push(one);
    }
    return summary(size, length, played);
  });
}

/** A row for each size. Each gets a new rig, because Azurite keeps deleted blobs in memory for a while. */
export async function catchUps({ sizes, ...options }) {
  const rows = [];
  for (const size of sizes) rows.push(await oneSize({ size, ...options }));
  return rows;
}

/** The longest message that Microsoft's client can send, its error beyond that, and the naive function's rate just below it. */
export const largestMessage = () => attempt(() => withRig(async (rig) => {
  const found = await vendors(PYTHON, [here("vendors.py"), "largest", rig.endpoints.hubConnection, HUB]);
  const blob = await upload(rig, found.largest * 0.9);
  const { seconds } = await contenders().naive(rig, blob);
  return { largest: found.largest, beyond: found.beyond.split("\n")[0], length: blob.length, rate: blob.length / MB / seconds };
}));
