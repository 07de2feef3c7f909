// Measures the release binary on the rig, beside what limits it and what it replaces, and writes docs/benchmarks.md.
// `make bench` builds what it needs and runs it. Nothing here passes or fails: it only measures.

import { execFile, spawn } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BlobServiceClient } from "@azure/storage-blob";
import { chosen, HELP } from "./bench/args.mjs";
import { FunctionsHost } from "./host.mjs";
import { release, spawnScript } from "./leash.mjs";
import { startRig } from "./rig.mjs";
import { blobCreated } from "./watcher/events.mjs";
import { vnetBlob } from "./watcher/names.mjs";
import { seeded } from "./watcher/random.mjs";
import { makeRecord } from "./watcher/records.mjs";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HANDLER = `${ROOT}target/release/flowlog-forwarder`;
const asked = chosen(process.argv.slice(2));
const RUNS = asked.runs;
const HUB = "flowlogs";
const SIZES = asked.sizes;
const HOUR = "2026-11-22T09:00:00Z";
const MB = 1e6;

/** Builds the benchmarks and then, last, what is published; gives the benchmarks' paths by their names. */
async function build() {
  const options = { cwd: ROOT, maxBuffer: 64 * MB };
  const { stdout } = await run("cargo", ["bench", "--locked", "--no-run", "--bench", "cut", "--bench", "limits", "--message-format=json"], options);
  const made = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter(({ executable }) => executable);
  await run("cargo", ["build", "--release", "--locked"], options);
  return Object.fromEntries(made.map(({ target, executable }) => [target.name, executable]));
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const quantile = (list, part) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))];
const median = (list) => quantile(list, 0.5);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const settings = (endpoints) => ({
  FLOWLOG_STORAGE: endpoints.storageConnection, FLOWLOG_CONTAINERS: endpoints.container,
  AzureWebJobsStorage: endpoints.hostConnection, EVENT_HUB_CONNECTION: endpoints.hubConnection, EVENT_HUB_NAME: HUB,
  RUST_LOG: "warn", LOG_FORMAT: "text",
});

/** Starts a handler of its own, and gives also what it took: `{host, peak(), cpu()}`. */
async function handler(endpoints) {
  const host = await FunctionsHost.start({ command: HANDLER, env: settings(endpoints) });
  const { pid } = host.handler;
  return {
    host,
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024,
    // User and system time, in clock ticks of 10 ms.
    cpu: () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((sum, n) => sum + Number(n), 0) / 100,
  };
}

/** A rig in a process of its own, so that what measures does not compete with what is measured. */
async function separateRig() {
  const child = spawnScript(fileURLToPath(new URL("rig.mjs", import.meta.url)), ["--discard"], { stdio: ["pipe", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) return { endpoints: JSON.parse(line), stop: () => release(child) };
  throw new Error("the rig did not start");
}

let uploaded = 0;

/** Writes a new blob of about so many bytes; gives its event. */
async function upload(endpoints, length) {
  const number = (uploaded += 1);
  const { container, name } = vnetBlob({ mac: `00224871${number.toString(16).padStart(4, "0")}`.toUpperCase(), hour: HOUR });
  const client = BlobServiceClient.fromConnectionString(endpoints.storageConnection).getContainerClient(container).getBlockBlobClient(name);
  const random = seeded(`bench ${number}`);
  const some = Array.from({ length: 64 }, () => makeRecord(random, { style: "usual", at: Date.parse(HOUR), mac: "002248710000", tuples: 100 }).toString());
  const unit = some.join(",");
  const ids = [];
  let total = 0;
  const stage = async (text) => {
    const bytes = Buffer.from(text);
    ids.push(Buffer.from(String(ids.length).padStart(8, "0")).toString("base64"));
    await client.stageBlock(ids.at(-1), bytes, bytes.length);
    total += bytes.length;
  };
  await stage('{"records":[');
  if (length < unit.length) {
    await stage(some.slice(0, Math.max(1, Math.round(length / some[0].length))).join(","));
  } else {
    const perBlock = Math.max(1, Math.min(Math.round(length / unit.length), Math.floor((32 * MB) / unit.length)));
    const block = Array(perBlock).fill(unit).join(",");
    for (let first = true; total < length * 0.97; first = false) await stage(first ? block : `,${block}`);
  }
  await stage("]}");
  const { etag } = await client.commitBlockList(ids);
  const event = blobCreated({
    account: "devstoreaccount1", container, name, root: endpoints.blob.replace(/\/[^/]+$/, ""), etag, contentLength: total,
    sequence: 1, time: HOUR, id: "bench", requestId: "bench", clientRequestId: "bench", batchId: "bench",
  });
  return { event, length: total, url: `${client.url}${endpoints.storageSas}` };
}

async function transferred(endpoints) {
  return (await (await fetch(`${endpoints.control}/hub/${HUB}/stats`)).json()).bytes ?? 0;
}

/** One blob, forwarded by a new process: `{seconds, peak, cpu}`. */
async function catchUp(endpoints, { event, length }) {
  const { host, peak, cpu } = await handler(endpoints);
  const before = await transferred(endpoints);
  const started = performance.now();
  for (let deliveries = 0; deliveries === 0 || (await transferred(endpoints)) - before < length; deliveries += 1) {
    if (deliveries === 10) throw new Error("it does not get on");
    const { ok, reason } = await host.invoke(event);
    if (!ok) throw new Error(reason);
  }
  const result = { seconds: (performance.now() - started) / 1000, peak: peak(), cpu: cpu() };
  await host.stop();
  return result;
}

async function catchUps(rig) {
  const { endpoints } = rig;
  const key = /SharedAccessKeyName=([^;]+);SharedAccessKey=([^;]+)/.exec(endpoints.hubConnection);
  const limit = async (...args) => Number((await run(LIMITS, args)).stdout);
  const rows = [];
  for (const size of SIZES) {
    const [whole, read, send, naive] = [[], [], [], []];
    let blob;
    for (let n = 0; n < RUNS; n += 1) {
      // What has been forwarded once is not forwarded again: each run has a blob of its own.
      blob = await upload(endpoints, size * MB);
      whole.push(await catchUp(endpoints, blob));
      read.push(await limit("read", blob.url, String(blob.length)));
      send.push(await limit("send", String(endpoints.hubPort), key[1], key[2], HUB, String(blob.length)));
      // A text of 512 MB is more than one string of Node's may have.
      if (size < 512) naive.push(JSON.parse((await run("node", [fileURLToPath(new URL("bench/naive.mjs", import.meta.url)), blob.url, endpoints.hubConnection, HUB])).stdout));
    }
    const rate = (seconds) => blob.length / MB / median(seconds);
    rows.push({
      size, length: blob.length, whole: rate(whole.map(({ seconds }) => seconds)), read: rate(read), send: rate(send),
      naive: naive.length > 0 ? rate(naive.map(({ seconds }) => seconds)) : undefined,
      naivePeak: naive.length > 0 ? median(naive.map(({ peak }) => peak)) : undefined,
      peak: median(whole.map(({ peak }) => peak)), cpu: median(whole.map(({ cpu }) => cpu)) / (blob.length / 1e9),
    });
    process.stderr.write(`catch-up ${JSON.stringify(rows.at(-1))}\n`);
  }
  return rows;
}

/** Peak memory of one process against events at once, each of a blob of 60 kB. */
async function concurrent({ endpoints }) {
  const rows = [];
  for (const many of [1, 8, 64]) {
    const peaks = [];
    for (let n = 0; n < RUNS; n += 1) {
      const blobs = [];
      while (blobs.length < many) blobs.push(await upload(endpoints, 60_000));
      const { host, peak } = await handler(endpoints);
      const answers = await Promise.all(blobs.map(({ event }) => host.invoke(event)));
      const failed = answers.find(({ ok }) => !ok);
      if (failed) throw new Error(failed.reason);
      peaks.push(peak());
      await host.stop();
    }
    rows.push({ many, peak: median(peaks) });
  }
  return rows;
}

/** Milliseconds from the start of the process to its first 200. */
async function startUp({ endpoints }, times = 20) {
  const took = [];
  for (let n = 0; n < times; n += 1) {
    const server = createServer();
    const port = await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
    await new Promise((resolve) => server.close(resolve));
    const started = performance.now();
    const child = spawn(HANDLER, { stdio: "ignore", env: { ...settings(endpoints), FUNCTIONS_CUSTOMHANDLER_PORT: String(port) } });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    while (!(await fetch(`http://127.0.0.1:${port}/`).then(({ status }) => status === 200, () => false))) await sleep(1);
    took.push(performance.now() - started);
    child.kill();
    await exited;
  }
  return median(took);
}

/** An hour of so many interfaces through one process, with everything that is asked of storage counted. */
async function steady(nics = 20, commits = 60) {
  const rig = await startRig({ storageProxy: true, discard: true });
  try {
    const { watcher, endpoints, proxy } = rig;
    const ids = [];
    for (let i = 0; i < nics; i += 1) ids.push((await watcher.create({ mac: `0022487200${i.toString(16).padStart(2, "0")}`.toUpperCase(), hour: HOUR })).blob);
    const { host, cpu, peak } = await handler(endpoints);
    proxy.reset();
    const [took, naive] = [[], { reads: 0, bytes: 0, units: 0 }];
    let [working, delivered] = [0, 0];
    const cpuBefore = cpu();
    for (let minute = 0; minute < commits; minute += 1) {
      const made = await Promise.all(ids.map((blob) => watcher.append({ blob, records: 2, tuples: 100 })));
      const started = performance.now();
      await Promise.all(made.map(async ({ event }) => {
        const at = performance.now();
        const { ok, reason } = await host.invoke(event);
        if (!ok) throw new Error(reason);
        took.push(performance.now() - at);
      }));
      working += performance.now() - started;
      for (const { contentLength, appended } of made) {
        delivered += Buffer.from(appended, "base64").length;
        naive.reads += 1;
        naive.bytes += contentLength;
        naive.units += Math.ceil(contentLength / 65_536);
      }
    }
    const storage = proxy.report();
    const stats = await (await fetch(`${endpoints.control}/hub/${HUB}/stats`)).json();
    const events = nics * commits;
    const result = {
      nics, commits, events, perSecond: events / (working / 1000), p50: quantile(took, 0.5), p99: quantile(took, 0.99),
      cpuMs: ((cpu() - cpuBefore) / events) * 1000, peak: peak(), calls: storage.requests / events, delivered, read: storage.blobReadBytes,
      readPerDelivered: storage.blobReadBytes / delivered, messages: stats.events / events, naive,
      kinds: Object.fromEntries(Object.entries(storage.byKind).map(([kind, { requests }]) => [kind, requests / events])),
    };
    await host.stop();
    process.stderr.write(`steady ${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await rig.stop();
  }
}

/** The cutter's benchmark: GB/s by function and shape, from divan's table (fastest, slowest, median, mean). */
async function cut() {
  const { stdout } = await run(CUT, ["--bench", "--bytes-format", "decimal"], { env: { ...process.env, NO_COLOR: "1" } });
  const table = {};
  let [name, shape] = [];
  for (const line of stdout.split("\n")) {
    const words = line.replace(/[├│╰─]/g, " ").trim();
    const rates = [...line.matchAll(/([\d.]+) ([MGT])B\/s/g)];
    if (rates.length >= 3) {
      table[name] ??= {};
      table[name][shape] = Number(rates[2][1]) * { M: 1e-3, G: 1, T: 1e3 }[rates[2][2]];
    } else if (/^[├╰]─/.test(line)) [name] = words.split(/\s+/);
    else if (words !== "") [shape] = words.split(/\s+/);
  }
  return table;
}

/** Dollars for one interface in a month of 43,200 commits. */
function bill(hour, prices) {
  const { events, kinds, messages, delivered, naive } = hour;
  const month = 43_200;
  const tables = Object.entries(kinds).filter(([kind]) => kind.startsWith("table")).reduce((sum, [, n]) => sum + n, 0);
  const reads = Object.entries(kinds).filter(([kind]) => !kind.startsWith("table")).reduce((sum, [, n]) => sum + n, 0);
  // A unit takes in 1 MB/s: its price is shared out by bytes.
  const unit = (bytes) => (bytes / events / 1e6) * month * (prices.throughputUnitHour / 3600);
  const sum = (rows) => ({ ...rows, together: Object.values(rows).reduce((total, n) => total + n, 0) });
  const both = { "event deliveries": month * prices.eventDelivery, executions: month * prices.execution };
  return {
    ours: sum({ ...both, "blob reads": reads * month * prices.blobRead, "table operations": tables * month * prices.tableOperation,
      "hub messages": messages * month * prices.hubMessageOf64KB, "hub units": unit(delivered) }),
    naive: sum({ ...both, "blob reads": (naive.reads / events) * month * prices.blobRead, "table operations": 0,
      "hub messages": (naive.units / events) * month * prices.hubMessageOf64KB, "hub units": unit(naive.bytes) }),
  };
}

if (asked.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const { cut: CUT, limits: LIMITS } = await build();
const { page } = await import("./bench/page.mjs");
const all = { runs: RUNS, binary: statSync(HANDLER).size, machine: { cores: cpus().length, node: process.version } };
const wanted = (part) => asked.parts.includes(part);
if (wanted("cut")) all.cut = await cut();
if (["catch-up", "memory", "start"].some(wanted)) {
  const rig = await separateRig();
  try {
    if (wanted("catch-up")) all.catchUp = await catchUps(rig);
    if (wanted("memory")) all.concurrent = await concurrent(rig);
    if (wanted("start")) all.startMs = await startUp(rig);
  } finally {
    await rig.stop();
  }
}
if (wanted("steady")) all.steady = await steady();
if (asked.whole) {
  all.bill = bill(all.steady, JSON.parse(readFileSync(`${ROOT}benches/prices.json`, "utf8")));
  const text = page(all);
  writeFileSync(`${ROOT}docs/benchmarks.md`, text);
  process.stdout.write(text);
} else {
  process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
}
