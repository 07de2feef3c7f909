// Forwards an hour of a few interfaces and counts every storage call; then counts the calls of two other designs for the
// same hour: the naive one, by arithmetic, and one with checkpoints in leased blobs, by making its calls.

import { BlobServiceClient } from "@azure/storage-blob";
import { HOUR, macOf } from "./blobs.mjs";
import { hubStats, invoke, withHandler, withRig } from "./handler.mjs";
import { runConcurrently } from "./tasks.mjs";

const [NICS, COMMITS] = [20, 60];
/** Event Hubs charges ingress by units of this size, bytes. */
const UNIT = 65_536;
const LEASE_SECONDS = 60;

/** Requests per event, by kind. */
const perEvent = ({ byKind }, events) => Object.fromEntries(Object.entries(byKind).map(([kind, { requests }]) => [kind, requests / events]));

/**
 * Makes the calls of a design with one checkpoint blob for each flow log. Its lease is the claim, its metadata the
 * checkpoint, as in Microsoft's checkpoint stores: acquire, get properties, read the new bytes, set metadata, release.
 */
async function leases({ endpoints }, logs) {
  const container = BlobServiceClient.fromConnectionString(endpoints.hostConnection).getContainerClient("leases");
  const source = BlobServiceClient.fromConnectionString(endpoints.storageConnection);
  await container.createIfNotExists();
  await Promise.all(logs.map(async ({ container: of, name, lengths }) => {
    const checkpoint = container.getBlockBlobClient(name);
    const flowLog = source.getContainerClient(of).getBlobClient(name);
    await checkpoint.upload("", 0);
    for (const length of lengths) {
      const lease = checkpoint.getBlobLeaseClient();
      const { leaseId } = await lease.acquireLease(LEASE_SECONDS);
      const offset = Number((await checkpoint.getProperties()).metadata.offset ?? 0);
      await flowLog.downloadToBuffer(offset, length - offset, { blockSize: length });
      await checkpoint.setMetadata({ offset: String(length) }, { conditions: { leaseId } });
      await lease.releaseLease();
    }
  }));
}

async function play(rig, progress) {
  const macs = Array.from({ length: NICS }, (_, i) => macOf(i));
  const logs = await Promise.all(macs.map((mac) => rig.control("POST", "/watcher/blobs", { mac, hour: HOUR })));
  for (const log of logs) log.lengths = [];
  await rig.control("DELETE", "/storage/requests");
  let delivered = 0;
  await withHandler(rig, async ({ host }) => {
    for (let minute = 0; minute < COMMITS; minute += 1) {
      const made = await runConcurrently(NICS, logs, ({ blob }) => rig.control("POST", "/watcher/append", { blob, records: 2, tuples: 100 }));
      await Promise.all(made.map(({ event }) => invoke(host, event)));
      made.forEach(({ contentLength, appended }, i) => {
        logs[i].lengths.push(contentLength);
        delivered += Buffer.byteLength(appended, "base64");
      });
    }
  });
  const [storage, stats] = [await rig.control("GET", "/storage/requests"), await hubStats(rig)];
  await rig.control("DELETE", "/storage/requests");
  await leases(rig, logs);
  const leased = await rig.control("GET", "/storage/requests");
  const events = NICS * COMMITS;
  const lengths = logs.flatMap((log) => log.lengths);
  const sum = (list) => list.reduce((total, n) => total + n, 0);
  const result = {
    nics: NICS, commits: COMMITS, events, delivered, read: storage.blobReadBytes, calls: storage.requests / events,
    readPerDelivered: storage.blobReadBytes / delivered,
    designs: {
      forwarder: { kinds: perEvent(storage, events), messages: stats.events / events, bytes: delivered / events },
      leases: { kinds: perEvent(leased, events), messages: stats.events / events, bytes: delivered / events },
      naive: { kinds: { "blob read": 1 }, messages: sum(lengths.map((n) => Math.ceil(n / UNIT))) / events, bytes: sum(lengths) / events },
    },
  };
  progress(`  ${JSON.stringify(result)}`);
  return result;
}

export const hour = (progress) => withRig((rig) => play(rig, progress), "--storage-proxy");
