import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition } from "@azure/event-hubs";
import { HUB_KEY, HUB_KEY_NAME } from "../accounts.mjs";
import { BATCH_FORMAT } from "../hub/sections.mjs";
import { HubServer } from "../hub/server.mjs";
import { eventsOf } from "../hub/report.mjs";
import { makeToken } from "../identity.mjs";
import { AmqpClient, batch, sasToken, send, text } from "./amqp-client.mjs";

const HUB = "flow";
let server;
let port;
let connection;

const events = (query = "") => eventsOf(server.store.hub(HUB), new URLSearchParams(query));
const bodies = () => events().map(({ body }) => Buffer.from(body, "base64").toString());
const counters = () => server.store.hub(HUB).counters;

before(async () => {
  server = new HubServer({ keys: { [HUB_KEY_NAME]: HUB_KEY } });
  ({ port } = await server.listen());
  connection = `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=${HUB_KEY_NAME};SharedAccessKey=${HUB_KEY};UseDevelopmentEmulator=true;`;
});
beforeEach(() => {
  server.faults.clear();
  server.store.hub(HUB).reset();
});
after(() => server.close());

async function receiveAll(count) {
  const consumer = new EventHubConsumerClient("$Default", connection, HUB);
  const received = [];
  await new Promise((resolve, reject) => {
    const subscription = consumer.subscribe({
      processEvents: async (batchOfEvents, { partitionId }) => {
        for (const event of batchOfEvents) received.push({ ...event, partitionId });
        if (received.length >= count) subscription.close().then(resolve, reject);
      },
      processError: async (error) => reject(error),
    }, { startPosition: earliestEventPosition, skipParsingBodyAsJson: true });
  });
  await consumer.close();
  return received;
}

describe("Microsoft's own client", () => {
  test("sends single, batched, keyed and large events, and receives them", async () => {
    const producer = new EventHubProducerClient(connection, HUB);
    const big = Buffer.alloc(900 * 1024, "0123456789abcdef");
    await producer.sendBatch([{ body: Buffer.from("one"), messageId: "m-1", contentType: "application/json", properties: { source: "a/b", part: 7 } }]);
    const envelope = await producer.createBatch();
    assert.equal(envelope.maxSizeInBytes, 1_048_576);
    for (const word of ["two", "three", "four"]) assert.ok(envelope.tryAdd({ body: Buffer.from(word) }));
    await producer.sendBatch(envelope);
    await producer.sendBatch([{ body: Buffer.from("five") }], { partitionKey: "nic-1" });
    await producer.sendBatch([{ body: Buffer.from("six") }], { partitionKey: "nic-1" });
    await producer.sendBatch([{ body: big }], { partitionId: "2" });
    await producer.close();

    const received = await receiveAll(7);
    const bodiesReceived = received.map(({ body }) => body.toString());
    assert.deepEqual(bodiesReceived.filter((body) => body.length < 10).sort(), ["five", "four", "one", "six", "three", "two"]);
    const [bigOne] = received.filter(({ body }) => body.length > 10);
    assert.ok(bigOne.body.equals(big));
    assert.equal(bigOne.partitionId, "2");
    const one = received.find(({ body }) => body.toString() === "one");
    assert.equal(one.messageId, "m-1");
    assert.equal(one.contentType, "application/json");
    assert.deepEqual(one.properties, { source: "a/b", part: 7 });
    assert.equal(typeof one.sequenceNumber, "number");
    const keyed = received.filter(({ partitionKey }) => partitionKey === "nic-1");
    assert.deepEqual(keyed.map(({ body }) => body.toString()), ["five", "six"]);
    assert.equal(new Set(keyed.map(({ partitionId }) => partitionId)).size, 1);
  });

  test("reads the properties of a hub and of a partition", async () => {
    const producer = new EventHubProducerClient(connection, HUB);
    assert.deepEqual((await producer.getEventHubProperties()).partitionIds, ["0", "1", "2", "3"]);
    assert.equal((await producer.getPartitionProperties("1")).isEmpty, true);
    await producer.sendBatch([{ body: "x" }], { partitionId: "1" });
    const { isEmpty, lastEnqueuedSequenceNumber } = await producer.getPartitionProperties("1");
    assert.deepEqual({ isEmpty, lastEnqueuedSequenceNumber }, { isEmpty: false, lastEnqueuedSequenceNumber: 0 });
    await producer.close();
  });

  test("can start in the middle of a partition", async () => {
    const producer = new EventHubProducerClient(connection, HUB);
    for (const body of ["a", "b", "c"]) await producer.sendBatch([{ body: Buffer.from(body) }], { partitionId: "0" });
    await producer.close();
    const consumer = new EventHubConsumerClient("$Default", connection, HUB);
    const [first] = await new Promise((resolve, reject) => {
      const subscription = consumer.subscribe("0", {
        processEvents: async (found) => { if (found.length > 0) subscription.close().then(() => resolve(found), reject); },
        processError: async (error) => reject(error),
      }, { startPosition: { sequenceNumber: 0 }, skipParsingBodyAsJson: true });
    });
    await consumer.close();
    assert.equal(first.body.toString(), "b");
  });
});

// These tests do not run azure-eventhub for Python, but check what it requires.
describe("requirements of Microsoft's client for Python", () => {
  test("frames have all fields of the specification and its defaults", async () => {
    const { client, sender, close } = await AmqpClient.sender(port, HUB);
    const { remote } = client.connection;
    assert.deepEqual([remote.open.value.length, remote.open.channel_max], [10, 65_535]);
    assert.deepEqual([sender.session.remote.begin.value.length, sender.session.remote.begin.handle_max], [8, 0xffffffff]);
    assert.equal(sender.remote.attach.value.length, 14);
    close();
  });

  test("outcomes are settled on a link with settle mode second", { timeout: 10_000 }, async () => {
    const { client, close } = await AmqpClient.sender(port, HUB);
    const sender = await client.openSender(HUB, { rcv_settle_mode: 1, autosettle: false });
    assert.equal((await send(sender, text("one"))).outcome, "accepted");
    close();
  });
});

describe("tokens", () => {
  const audience = () => `sb://127.0.0.1:${port}/${HUB}`;

  test("a link without a token or for another hub is refused", async () => {
    const client = await AmqpClient.connect(port);
    await assert.rejects(client.openSender(HUB), { condition: "amqp:unauthorized-access" });
    assert.equal((await client.putToken(audience())).status, 202);
    await assert.rejects(client.openSender("another"), { condition: "amqp:unauthorized-access" });
    await client.openSender(`${HUB}/Partitions/3`);
    client.connection.close();
  });

  test("wrong, expired and misdirected tokens get 401", async () => {
    const client = await AmqpClient.connect(port);
    const tokens = [
      sasToken(audience(), { key: "WRONG" }),
      sasToken(audience(), { lifetimeSeconds: -1 }),
      sasToken(`sb://127.0.0.1:${port}/another`),
      "no token at all",
    ];
    for (const token of tokens) assert.equal((await client.putToken(audience(), { token })).status, 401);
    client.connection.close();
  });

  test("a JSON web token is accepted for the hubs' audience only", async () => {
    const client = await AmqpClient.connect(port);
    const put = (resource) => client.putToken(audience(), { type: "jwt", token: makeToken({ audience: resource, lifetimeSeconds: 60 }).token });
    assert.equal((await put("https://storage.azure.com/")).status, 401);
    assert.equal((await put("https://eventhubs.azure.net")).status, 202);
    await client.openSender(HUB);
    client.connection.close();
  });

  test("when the token expires, the link is detached as unauthorized", async () => {
    const { sender, close } = await AmqpClient.sender(port, HUB, { lifetimeSeconds: 2 });
    assert.equal((await send(sender, text("in time"))).outcome, "accepted");
    assert.equal((await sender.whenClosed).condition, "amqp:unauthorized-access");
    close();
  });

  test("a token renewed in time keeps the link", async () => {
    const { client, sender, close } = await AmqpClient.sender(port, HUB, { lifetimeSeconds: 2 });
    await client.putToken(audience(), { token: sasToken(audience(), { lifetimeSeconds: 60 }) });
    const outcome = await Promise.race([sender.whenClosed, new Promise((resolve) => setTimeout(resolve, 2500, "still there"))]);
    assert.equal(outcome, "still there");
    close();
  });

  test("a second $cbs link on one connection is not allowed", async () => {
    const client = await AmqpClient.connect(port);
    await client.putToken(audience());
    await assert.rejects(client.openSender("$cbs"), { condition: "amqp:not-allowed" });
    client.connection.close();
  });

  test("SASL PLAIN with the key opens links without a put-token", async () => {
    const client = await AmqpClient.connect(port, { username: HUB_KEY_NAME, password: HUB_KEY });
    await client.openSender(HUB);
    client.connection.close();
  });
});

describe("batches and limits", () => {
  test("a batch becomes single, unchanged events in one partition", async () => {
    const { sender, close } = await AmqpClient.sender(port, HUB);
    const parts = ["{\"records\":[1]}", "{\"records\":[2]}"].map((body, i) => ({
      ...text(body), message_id: `m${i}`, content_type: "application/json", application_properties: { "offset-start": `${i}` },
    }));
    assert.equal((await send(sender, batch(parts), BATCH_FORMAT)).outcome, "accepted");
    assert.deepEqual(bodies(), ["{\"records\":[1]}", "{\"records\":[2]}"]);
    const [first, second] = events();
    assert.equal(first.batch, 1);
    assert.equal(second.partition, first.partition);
    assert.deepEqual([second.messageId, second.contentType, second.applicationProperties], ["m1", "application/json", { "offset-start": "1" }]);
    assert.equal(counters().largestBatchEvents, 2);
    close();
  });

  test("a transfer above the limit detaches the link and is not stored", async () => {
    const { client, sender, close } = await AmqpClient.sender(port, HUB);
    assert.equal(sender.max_message_size, 1_048_576);
    const overhead = batch([text("x".repeat(1000))]).length - 1000;
    const limit = batch([text("x".repeat(1_048_576 - overhead - 6))]);
    assert.ok(limit.length <= 1_048_576 && limit.length > 1_048_560);
    assert.equal((await send(sender, limit, BATCH_FORMAT)).outcome, "accepted");
    sender.send(batch([text("x".repeat(1_048_576))]), undefined, BATCH_FORMAT);
    assert.equal((await sender.whenClosed).condition, "amqp:link:message-size-exceeded");
    assert.equal(counters().events, 1);
    const again = await client.openSender(HUB);
    assert.equal((await send(again, text("still welcome"))).outcome, "accepted");
    close();
  });

  test("a changed limit applies to links attached later", async () => {
    server.store.configure(HUB, { maxMessageSize: 262_144 });
    const { sender, close } = await AmqpClient.sender(port, HUB);
    server.store.configure(HUB, { maxMessageSize: 1_048_576 });
    assert.equal(sender.max_message_size, 262_144);
    sender.send(text("x".repeat(300_000)));
    assert.equal((await sender.whenClosed).condition, "amqp:link:message-size-exceeded");
    close();
  });

  test("in discard mode events are counted but not stored", async () => {
    server.store.configure(HUB, { discard: true });
    const { sender, close } = await AmqpClient.sender(port, HUB);
    await send(sender, batch([text("a"), text("b")]), BATCH_FORMAT);
    server.store.configure(HUB, { discard: false });
    assert.equal(counters().events, 2);
    assert.deepEqual(bodies(), []);
    close();
  });

  test("bytes that are not an AMQP message are rejected", async () => {
    const { sender, close } = await AmqpClient.sender(port, HUB);
    const { outcome, condition } = await send(sender, Buffer.from("not AMQP"), BATCH_FORMAT);
    assert.deepEqual([outcome, condition], ["rejected", "amqp:decode-error"]);
    close();
  });
});
