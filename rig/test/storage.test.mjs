import assert from "node:assert/strict";
import { request as requestHttps } from "node:https";
import { after, before, beforeEach, describe, test } from "node:test";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { ACCOUNTS } from "../accounts.mjs";
import { makeToken } from "../identity.mjs";
import { startRig } from "../rig.mjs";
import { recordsOf } from "../watcher/record-scanner.mjs";
import { STYLE_NAMES } from "../watcher/records.mjs";

let rig;
let service;

const control = async (method, path, body) => {
  const answer = await fetch(rig.endpoints.control + path, { method, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.headers.get("content-type") === "application/json" ? answer.json() : Buffer.from(await answer.arrayBuffer());
};

before(async () => {
  rig = await startRig({ storageProxy: true });
  service = BlobServiceClient.fromConnectionString(rig.endpoints.storageConnection, { retryOptions: { maxTries: 1 } });
});
beforeEach(() => {
  rig.proxy.faults.clear();
  rig.proxy.reset();
});
after(() => rig.stop());

describe("the Network Watcher simulator", () => {
  const blockSizes = async ({ container, name }) => {
    const list = await service.getContainerClient(container).getBlockBlobClient(name).getBlockList("committed");
    return list.committedBlocks;
  };

  test("commits a header, one block per commit, and a closer", async () => {
    const blob = await control("POST", "/watcher/blobs", { mac: "00224871c205", hour: "2026-11-22T09:00:00Z" });
    assert.equal(blob.name, "flowLogResourceID=/AAAA0A0A-BB1B-CC2C-DD3D-EEEEEE4E4E4E_NETWORKWATCHERRG/"
      + "NETWORKWATCHER_EASTUS2EUAP_MYVNET-MYRESOURCEGROUP-FLOWLOG/y=2026/m=11/d=22/h=09/m=00/macAddress=00224871C205/PT1H.json");
    const appended = [];
    for (let i = 0; i < 3; i += 1) appended.push(await control("POST", "/watcher/append", { blob: blob.blob, records: 2 }));
    const blocks = await blockSizes(blob);
    const sizes = appended.map(({ appended: bytes }) => Buffer.from(bytes, "base64").length);
    assert.deepEqual(blocks.map(({ size }) => size), [12, ...sizes, 2]);
    for (const { name } of blocks) assert.match(Buffer.from(name, "base64").toString(), /^[0-9a-f]{32}$/);
    const content = await control("GET", `/watcher/blob?blob=${blob.blob}`);
    assert.equal(content.subarray(0, 12).toString(), '{"records":[');
    assert.deepEqual([12, 12 + sizes[0], 12 + sizes[0] + sizes[1]].map((at) => content.toString("latin1")[at]), ["{", ",", ","]);
    assert.equal(JSON.parse(content).records.length, 6);
  });

  test("describes a commit in Event Grid's schemas", async () => {
    const { blob, name, url } = await control("POST", "/watcher/blobs", { mac: "00224871c206" });
    const { event, contentLength, etag } = await control("POST", "/watcher/append", { blob });
    const content = await control("GET", `/watcher/blob?blob=${blob}`);
    assert.equal(event.eventType, "Microsoft.Storage.BlobCreated");
    assert.equal(event.subject, `/blobServices/default/containers/insights-logs-flowlogflowevent/blobs/${name}`);
    assert.equal(event.data.url, url);
    assert.match(url, /flowLogResourceID%3D\/AAAA/);
    assert.equal(event.data.contentLength, content.length);
    assert.equal(contentLength, content.length);
    const properties = await service.getContainerClient(rig.endpoints.container).getBlobClient(name).getProperties();
    assert.equal(properties.etag, etag);
    assert.equal(`"${event.data.eTag}"`, etag);
    const cloud = (await control("POST", "/watcher/append", { blob, wording: { schema: "cloud", quotedETag: true, encodeUrl: false } })).event;
    assert.deepEqual([cloud.specversion, cloud.type, cloud.data.eTag[0]], ["1.0", "Microsoft.Storage.BlobCreated", '"']);
    assert.match(cloud.data.url, /flowLogResourceID=\/AAAA/);
    assert.ok(cloud.data.sequencer > event.data.sequencer);
  });

  for (const style of STYLE_NAMES) {
    test(`returns the exact bytes of its records in style ${style}`, async () => {
      const { blob } = await control("POST", "/watcher/blobs", { mac: `style ${style}`, kind: style.startsWith("nsg") ? "nsg" : "vnet" });
      for (const separator of ["comma", "crlf", "lines", "wide"]) {
        await control("POST", "/watcher/append", { blob, records: 3, style, separator, ...(style === "long" ? { tuples: 300 } : {}) });
      }
      const content = await control("GET", `/watcher/blob?blob=${blob}`);
      const known = (await control("GET", `/watcher/records?blob=${blob}`)).map((text) => Buffer.from(text, "base64"));
      assert.deepEqual(recordsOf(content), known);
      assert.deepEqual(JSON.parse(content).records, known.map((bytes) => JSON.parse(bytes)));
    });
  }

  test("generates the same blob from the same seed", async () => {
    const again = await startRig({ seed: 1 });
    const contents = await Promise.all([rig, again].map(async ({ watcher }) => {
      const { blob } = await watcher.create({ name: "same" });
      await watcher.append({ blob, records: 5, style: "mixed" });
      return watcher.content(blob);
    }));
    await again.stop();
    assert.ok(contents[0].equals(contents[1]));
  });

  test("rewrites a blob with generated records or given bytes", async () => {
    const { blob } = await control("POST", "/watcher/blobs", { mac: "00224871c208" });
    await control("POST", "/watcher/append", { blob, records: 4 });
    await control("POST", "/watcher/rewrite", { blob, records: 1 });
    assert.equal((await control("GET", `/watcher/records?blob=${blob}`)).length, 1);
    await control("POST", "/watcher/rewrite", { blob, blocks: [Buffer.from(' {"a":1}\n').toString("base64")] });
    assert.equal((await control("GET", `/watcher/blob?blob=${blob}`)).toString(), '{"records":[ {"a":1}\n]}');
    assert.deepEqual(await control("GET", `/watcher/records?blob=${blob}`), [Buffer.from('{"a":1}').toString("base64")]);
  });

  test("deletes a blob, and commits an empty one on request", async () => {
    const { blob, name, event } = await control("POST", "/watcher/blobs", { mac: "00224871c207", commitEmpty: true });
    assert.equal(event.data.contentLength, 14);
    await control("POST", "/watcher/append", { blob });
    await control("POST", "/watcher/delete", { blob });
    assert.equal(await service.getContainerClient(rig.endpoints.container).getBlobClient(name).exists(), false);
  });

  test("explains errors about unknown blobs", async () => {
    const answer = await fetch(`${rig.endpoints.control}/watcher/append`, { method: "POST", body: '{"blob":"none"}' });
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error, /no blob 'none'/);
  });
});

describe("the storage proxy", () => {
  let name;
  let blobClient;
  before(async () => {
    const made = await control("POST", "/watcher/blobs", { mac: "proxy" });
    ({ name } = made);
    await control("POST", "/watcher/append", { blob: made.blob, records: 5 });
    blobClient = service.getContainerClient(rig.endpoints.container).getBlobClient(name);
  });

  test("counts calls by their kind, and the bytes of blob reads", async () => {
    await blobClient.getProperties();
    assert.equal((await blobClient.downloadToBuffer(0, 100)).length, 100);
    await blobClient.getBlockBlobClient().getBlockList("committed");
    const { byKind, blobReadBytes } = await control("GET", "/storage/requests");
    const calls = Object.fromEntries(Object.entries(byKind).map(([kind, { requests }]) => [kind, requests]));
    assert.deepEqual(calls, { "blob properties": 1, "blob read": 1, "get block list": 1 });
    assert.equal(blobReadBytes, 100);
    assert.deepEqual(byKind["blob read"].statuses, { 206: 1 });
    assert.equal((await control("GET", "/storage/requests?path=macAddress%3DPROXY|macAddress%253DPROXY")).requests, 3);
    assert.equal((await control("GET", "/storage/requests?path=no-such-blob")).requests, 0);
  });

  test("counts table calls made with an account SAS", async () => {
    const { hostTable, hostSas } = rig.endpoints;
    const call = (method, path, body, headers = {}) => fetch(`${hostTable}/${path}${hostSas}`, {
      method, body: body && JSON.stringify(body), headers: { Accept: "application/json;odata=nometadata", "Content-Type": "application/json", ...headers },
    });
    assert.equal((await call("POST", "Tables", { TableName: "rows" })).status, 201);
    const row = { PartitionKey: "p", RowKey: "r", offset: 12 };
    assert.equal((await call("POST", "rows", row)).status, 201);
    assert.equal((await call("POST", "rows", row)).status, 409);
    const found = await call("GET", "rows(PartitionKey='p',RowKey='r')");
    const etag = found.headers.get("etag");
    const merge = () => call("MERGE", "rows(PartitionKey='p',RowKey='r')", { offset: 13 }, { "If-Match": etag });
    assert.equal((await merge()).status, 204);
    assert.equal((await merge()).status, 412);
    await call("GET", "rows()");
    const { byKind } = await control("GET", "/storage/requests");
    const calls = Object.fromEntries(Object.entries(byKind).map(([kind, { statuses }]) => [kind, statuses]));
    assert.deepEqual(calls, {
      "table create": { 201: 1 }, "table insert": { 201: 1, 409: 1 }, "table get": { 200: 1 }, "table merge": { 204: 1, 412: 1 }, "table query": { 200: 1 },
    });
  });

  test("answers busy to exactly the second and third read", async () => {
    await control("POST", "/storage/faults", { action: "status", kind: "blob read", skip: 1, count: 2 });
    const statuses = [];
    for (let i = 0; i < 4; i += 1) {
      statuses.push(await blobClient.downloadToBuffer(0, 10).then(() => 206, (error) => `${error.statusCode} ${error.code}`));
    }
    assert.deepEqual(statuses, [206, "503 ServerBusy", "503 ServerBusy", 206]);
  });

  test("resets a request before or after Azurite has handled it", async () => {
    const block = service.getContainerClient(rig.endpoints.container).getBlockBlobClient("reset");
    await control("POST", "/storage/faults", { action: "reset-before", kind: "put blob" });
    await assert.rejects(block.upload("a", 1));
    assert.equal(await block.exists(), false);
    await control("POST", "/storage/faults", { action: "reset-after", kind: "put blob" });
    await assert.rejects(block.upload("a", 1));
    assert.equal(await block.exists(), true);
  });

  test("holds a read until it is released", async () => {
    await control("POST", "/storage/faults", { action: "hold", kind: "blob read" });
    const reading = blobClient.downloadToBuffer(0, 10);
    while ((await control("GET", "/storage/requests")).held === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(await control("POST", "/storage/release"), { released: 1 });
    assert.equal((await reading).length, 10);
  });

  test("shifts the Date of all responses and sends one Date only", async () => {
    await control("POST", "/storage/faults", { action: "date", path: "/shifted$", seconds: -86_400, count: "all" });
    await control("POST", "/storage/faults", { action: "status", path: "/shifted$", status: 503 });
    const daysFromNow = async (blob) => {
      const answer = await fetch(`${rig.endpoints.blob}/${rig.endpoints.container}/${blob}${rig.endpoints.storageSas}`);
      await answer.arrayBuffer();
      return { status: answer.status, days: Math.round((Date.parse(answer.headers.get("date")) - Date.now()) / 86_400_000) + 0 };
    };
    assert.deepEqual(await daysFromNow("shifted"), { status: 503, days: -1 });
    assert.deepEqual(await daysFromNow("shifted"), { status: 404, days: -1 });
    assert.deepEqual(await daysFromNow("another"), { status: 404, days: 0 });
  });

  test("delays matching requests, in addition to other faults", async () => {
    for (const ms of [60, 40]) await control("POST", "/storage/faults", { action: "delay", path: "/slow$", ms, count: "all" });
    await control("POST", "/storage/faults", { action: "status", path: "/slow$", status: 503 });
    const slow = `${rig.endpoints.blob}/${rig.endpoints.container}/slow${rig.endpoints.storageSas}`;
    for (const status of [503, 404]) {
      const begun = performance.now();
      assert.equal((await fetch(slow)).status, status);
      assert.ok(performance.now() - begun >= 95);
    }
    const faults = await control("GET", "/storage/faults");
    assert.deepEqual(faults.map(({ count, struck }) => [count, struck]), [["all", 2], ["all", 2], [1, 1]]);
  });

  test("truncates a body", async () => {
    await control("POST", "/storage/faults", { action: "cut", kind: "blob read", bytes: 7 });
    const answer = await fetch(`${rig.endpoints.blob}/${rig.endpoints.container}/${name}${rig.endpoints.storageSas}`);
    await assert.rejects(answer.arrayBuffer());
    assert.equal(rig.proxy.report().blobReadBytes, 7);
  });
});

describe("managed identity, over https", () => {
  let secure;
  before(async () => {
    secure = await startRig({ tls: true, identity: true, storageProxy: true });
    await secure.watcher.create({ name: "hello", commitEmpty: true });
  });
  after(() => secure.stop());

  const askToken = async (query, header) => {
    const answer = await fetch(`${secure.endpoints.identityEndpoint}?${new URLSearchParams(query)}`, { headers: header && { "X-IDENTITY-HEADER": header } });
    return { status: answer.status, body: await answer.json() };
  };
  const storage = { "api-version": "2019-08-01", resource: "https://storage.azure.com/" };

  const get = (url, token) => new Promise((resolve, reject) => {
    requestHttps(url, { ca: secure.hub.tls.ca, headers: { Authorization: `Bearer ${token}`, "x-ms-version": "2021-12-02", Accept: "application/json;odata=nometadata" } }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    }).on("error", reject).end();
  });
  const blobUrl = () => `${secure.endpoints.blob}/${secure.endpoints.container}/hello`;
  const tableUrl = () => `${secure.endpoints.hostTable}/Tables`;

  test("the endpoint requires its header, its version and a resource", async () => {
    const { identityHeader } = secure.endpoints;
    assert.equal((await askToken(storage)).status, 401);
    assert.equal((await askToken({ ...storage, "api-version": "2017-09-01" }, identityHeader)).status, 400);
    assert.equal((await askToken({ "api-version": "2019-08-01" }, identityHeader)).status, 400);
    const { status, body } = await askToken({ ...storage, client_id: "22222222-0000-4000-8000-000000000000" }, identityHeader);
    assert.equal(status, 200);
    assert.equal(body.client_id, "22222222-0000-4000-8000-000000000000");
    assert.match(body.expires_on, /^\d{10}$/);
  });

  test("its token opens blobs and tables; a token for hubs does not", async () => {
    const { body } = await askToken(storage, secure.endpoints.identityHeader);
    assert.equal(await get(blobUrl(), body.access_token), 200);
    assert.equal(await get(tableUrl(), body.access_token), 200);
    const hubToken = await askToken({ ...storage, resource: "https://eventhubs.azure.net" }, secure.endpoints.identityHeader);
    assert.equal(await get(blobUrl(), hubToken.body.access_token), 403);
    assert.equal(await get(tableUrl(), hubToken.body.access_token), 403);
    assert.equal(await get(blobUrl(), makeToken({ audience: storage.resource, lifetimeSeconds: -10 }).token), 403);
  });

  test("it fails and hangs as often as configured", async () => {
    secure.identity.configure({ fail: 1, failStatus: 500 });
    assert.equal((await askToken(storage, secure.endpoints.identityHeader)).status, 500);
    assert.equal((await askToken(storage, secure.endpoints.identityHeader)).status, 200);
    secure.identity.configure({ hang: 1 });
    await assert.rejects(fetch(secure.endpoints.identityEndpoint, { signal: AbortSignal.timeout(200) }));
    assert.equal((await askToken(storage, secure.endpoints.identityHeader)).status, 200);
  });

  test("account keys work over https, too", async () => {
    const credential = new StorageSharedKeyCredential("hoststore", ACCOUNTS.hoststore);
    const client = new BlobServiceClient(secure.endpoints.hostBlob, credential, { tlsOptions: { ca: secure.hub.tls.ca } });
    assert.equal((await client.getContainerClient("quarantine").createIfNotExists()).succeeded, true);
  });
});
