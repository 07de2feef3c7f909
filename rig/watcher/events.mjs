// BlobCreated events in Event Grid's schemas.

import { SUBSCRIPTION } from "./names.mjs";

const TYPE = "Microsoft.Storage.BlobCreated";

/** Percent-encodes each segment of a path: `flowLogResourceID=/X` becomes `flowLogResourceID%3D/X`. */
const encodedPath = (name) => name.split("/").map(encodeURIComponent).join("/");

/**
 * @param {object} commit `account, container, name, root` (public URL of the blob service), `etag, contentLength, sequence,
 *   time, id, requestId, clientRequestId, batchId`
 * @param {{schema?: "grid" | "cloud", quotedETag?: boolean, encodeUrl?: boolean}} wording
 */
export function blobCreated(commit, { schema = "grid", quotedETag = false, encodeUrl = true } = {}) {
  const bare = commit.etag.replaceAll('"', "");
  const data = {
    api: "PutBlockList",
    clientRequestId: commit.clientRequestId,
    requestId: commit.requestId,
    eTag: quotedETag ? `"${bare}"` : bare,
    contentType: "application/octet-stream",
    contentLength: commit.contentLength,
    blobType: "BlockBlob",
    url: `${commit.root}/${commit.account}/${commit.container}/${encodeUrl ? encodedPath(commit.name) : commit.name}`,
    sequencer: commit.sequence.toString(16).padStart(48, "0"),
    storageDiagnostics: { batchId: commit.batchId },
  };
  const topic = `/subscriptions/${SUBSCRIPTION}/resourceGroups/myResourceGroup/providers/Microsoft.Storage/storageAccounts/${commit.account}`;
  const subject = `/blobServices/default/containers/${commit.container}/blobs/${commit.name}`;
  if (schema === "cloud") {
    return { source: topic, subject, type: TYPE, time: commit.time, id: commit.id, data, specversion: "1.0" };
  }
  return { topic, subject, eventType: TYPE, eventTime: commit.time, id: commit.id, data, dataVersion: "", metadataVersion: "1" };
}
