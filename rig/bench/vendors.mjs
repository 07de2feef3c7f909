// The incremental form of the vendors' function (see vendors.py) with Microsoft's client for JavaScript.
// `node vendors.mjs URL CONNECTION HUB` prints its seconds and its peak memory as JSON.

import { readFileSync } from "node:fs";
import { EventHubProducerClient } from "@azure/event-hubs";

const [url, connection, hub] = process.argv.slice(2);
/** Bytes reserved for the overhead of a batch and a message. */
const OVERHEAD = 1024;

const producer = new EventHubProducerClient(connection, hub);
const started = performance.now();

/** Joins records into messages, as many in each as fit. */
function* messages(records, limit) {
  let [open, size] = [[], 0];
  for (const record of records) {
    const text = JSON.stringify(record);
    const length = Buffer.byteLength(text) + 1;
    if (open.length > 0 && size + length > limit) {
      yield `{"records":[${open.join(",")}]}`;
      [open, size] = [[], 0];
    }
    open.push(text);
    size += length;
  }
  if (open.length > 0) yield `{"records":[${open.join(",")}]}`;
}

const { records } = JSON.parse(await (await fetch(url)).text());
let batch = await producer.createBatch();
for (const text of messages(records, batch.maxSizeInBytes - OVERHEAD)) {
  const data = { body: Buffer.from(text), contentType: "application/json" };
  if (batch.tryAdd(data)) continue;
  await producer.sendBatch(batch);
  batch = await producer.createBatch();
  if (!batch.tryAdd(data)) throw new Error("the message is too large for a batch");
}
if (batch.count > 0) await producer.sendBatch(batch);
const seconds = (performance.now() - started) / 1000;
await producer.close();
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
process.stdout.write(`${JSON.stringify({ seconds, peak })}\n`);
