// A tiny handler to prove the demo's judging with. Its argument is how it goes about it: `whole` is the vendors' ten
// lines; `exact` remembers how far it came; `lossy` forgets a record now and then; `rewriting` parses and re-encodes.

import { createServer } from "node:http";
import { BlobClient } from "@azure/storage-blob";
import { EventHubProducerClient } from "@azure/event-hubs";
import { ACCOUNTS, accountSas } from "../accounts.mjs";
import { recordsOf } from "../watcher/record-scanner.mjs";

const [manner] = process.argv.slice(2);
const producer = new EventHubProducerClient(process.env.EVENT_HUB_CONNECTION, process.env.EVENT_HUB_NAME);
const done = new Map();
const turns = new Map();

const frame = (records) => Buffer.concat([Buffer.from('{"records":['), ...records.flatMap((r, i) => (i > 0 ? [Buffer.from(","), r] : [r])), Buffer.from("]}")]);

const MANNERS = {
  whole: (url, content) => content,
  exact: (url, content) => newRecords(url, content),
  lossy: (url, content) => newRecords(url, content, (records) => (records.length > 1 ? records.slice(1) : records)),
  rewriting: (url, content) => newRecords(url, content, (records) => records.map((r) => Buffer.from(JSON.stringify(JSON.parse(r))))),
};

function newRecords(url, content, change = (records) => records) {
  const all = recordsOf(content);
  const records = all.slice(done.get(url) ?? 0);
  done.set(url, all.length);
  return records.length === 0 ? undefined : frame(change(records));
}

async function forward({ data: { url } }) {
  const plain = decodeURIComponent(url);
  const [, account] = new URL(url).pathname.split("/");
  if (!(account in ACCOUNTS)) throw new Error(`no such account: ${account}`);
  const work = (turns.get(plain) ?? Promise.resolve()).then(async () => {
    const content = await new BlobClient(url + accountSas(account)).downloadToBuffer();
    const body = MANNERS[manner](plain, content);
    if (body) await producer.sendBatch([{ body }]);
  });
  turns.set(plain, work.catch(() => {}));
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
