// The vendors' function with Microsoft's client, made incremental and split, as its ten lines would be extended: read
// what is new, parse it, put the records into messages that fit, and send one batch after the other.
// `node naive.mjs URL CONNECTION HUB` prints the seconds that it took and its peak memory.

import { readFileSync } from "node:fs";
import { EventHubProducerClient } from "@azure/event-hubs";

const [url, connection, hub] = process.argv.slice(2);
const MESSAGE = 1_000_000;

const producer = new EventHubProducerClient(connection, hub);
const started = performance.now();

async function send(records) {
  const batch = await producer.createBatch();
  if (!batch.tryAdd({ body: Buffer.from(`{"records":[${records.join(",")}]}`), contentType: "application/json" })) throw new Error("too large");
  await producer.sendBatch(batch);
}

const { records } = JSON.parse(await (await fetch(url)).text());
let [open, size] = [[], 0];
for (const record of records) {
  const text = JSON.stringify(record);
  if (size + text.length > MESSAGE) {
    await send(open);
    [open, size] = [[], 0];
  }
  open.push(text);
  size += text.length + 1;
}
if (open.length > 0) await send(open);
const seconds = (performance.now() - started) / 1000;
await producer.close();
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
process.stdout.write(`${JSON.stringify({ seconds, peak })}\n`);
