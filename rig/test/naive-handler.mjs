// A small handler that tests the demo's verifier. Its argument selects a mode: `whole` sends the whole blob each time, as
// the vendors' function does; `exact` sends each record once; `lossy` drops records; `rewriting` re-encodes them.

import { createServer } from "node:http";
import { BlobClient } from "@azure/storage-blob";
import { EventHubProducerClient } from "@azure/event-hubs";
import { ACCOUNTS, accountSas } from "../accounts.mjs";
import { recordsOf } from "../watcher/record-scanner.mjs";

const [mode] = process.argv.slice(2);
const producer = new EventHubProducerClient(process.env.EVENT_HUB_CONNECTION, process.env.EVENT_HUB_NAME);
/** Number of records sent, by URL. */
const sent = new Map();
/** The last pending task, by URL: blobs are handled one event at a time. */
const pending = new Map();

const frame = (records) => Buffer.concat([Buffer.from('{"records":['), ...records.flatMap((r, i) => (i > 0 ? [Buffer.from(","), r] : [r])), Buffer.from("]}")]);

const MODES = {
  whole: (url, content) => content,
  exact: (url, content) => newRecords(url, content),
  lossy: (url, content) => newRecords(url, content, (records) => (records.length > 1 ? records.slice(1) : records)),
  rewriting: (url, content) => newRecords(url, content, (records) => records.map((r) => Buffer.from(JSON.stringify(JSON.parse(r))))),
};

function newRecords(url, content, change = (records) => records) {
  const all = recordsOf(content);
  const records = all.slice(sent.get(url) ?? 0);
  sent.set(url, all.length);
  return records.length === 0 ? undefined : frame(change(records));
}

async function forward({ data: { url } }) {
  const plain = decodeURIComponent(url);
  const [, account] = new URL(url).pathname.split("/");
  if (!(account in ACCOUNTS)) throw new Error(`unknown account: ${account}`);
  const work = (pending.get(plain) ?? Promise.resolve()).then(async () => {
    const content = await new BlobClient(url + accountSas(account)).downloadToBuffer();
    const body = MODES[mode](plain, content);
    if (body) await producer.sendBatch([{ body }]);
  });
  pending.set(plain, work.catch(() => {}));
  await work;
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = (status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  if (request.method === "GET") return answer(200, {});
  try {
    await forward(JSON.parse(Buffer.concat(chunks)).Data.eventGridEvent);
    return answer(200, { Outputs: {}, Logs: [], ReturnValue: null });
  } catch (error) {
    return answer(500, { error: error.message });
  }
}).listen(Number(process.env.FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
