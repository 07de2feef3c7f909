// Generates and uploads large blobs, one block at a time.

import { BlobServiceClient } from "@azure/storage-blob";
import { blobCreated } from "../watcher/events.mjs";
import { thisHour, vnetBlob } from "../watcher/names.mjs";
import { seeded } from "../watcher/random.mjs";
import { makeRecord } from "../watcher/records.mjs";

export const MB = 1e6;
/** The hour in which the benchmark started: the forwarder ignores events about old hours. */
export const HOUR = thisHour();
const BLOCK = 32 * MB;

let uploads = 0;
export const macOf = (number) => `0022${number.toString(16).padStart(8, "0")}`.toUpperCase();

/** Uploads a new blob of about `length` bytes: `{event, length, url, remove()}`. */
export async function upload({ endpoints }, length) {
  const number = (uploads += 1);
  const { container, name } = vnetBlob({ mac: macOf(number), hour: HOUR });
  const client = BlobServiceClient.fromConnectionString(endpoints.storageConnection).getContainerClient(container).getBlockBlobClient(name);
  const random = seeded(`bench ${number}`);
  const records = Array.from({ length: 64 }, () => makeRecord(random, { style: "usual", at: Date.parse(HOUR), mac: macOf(number), tuples: 100 }).toString());
  const ids = [];
  let total = 0;
  const stage = async (text) => {
    const bytes = Buffer.from(text);
    ids.push(Buffer.from(String(ids.length).padStart(8, "0")).toString("base64"));
    await client.stageBlock(ids.at(-1), bytes, bytes.length);
    total += bytes.length;
  };
  await stage('{"records":[');
  const perBlock = Math.max(1, Math.floor(Math.min(length, BLOCK) / records[0].length));
  const block = Array.from({ length: perBlock }, (_, i) => records[i % records.length]).join(",");
  while (total < length * 0.97) await stage(ids.length === 1 ? block : `,${block}`);
  await stage("]}");
  const { etag } = await client.commitBlockList(ids);
  const event = blobCreated({
    account: "devstoreaccount1", container, name, root: endpoints.blob.replace(/\/[^/]+$/, ""), etag, contentLength: total,
    sequence: 1, time: HOUR, id: "bench", requestId: "bench", clientRequestId: "bench", batchId: "bench",
  });
  return { event, length: total, url: `${client.url}${endpoints.storageSas}`, remove: () => client.delete() };
}
