import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HUB_KEY, HUB_KEY_NAME } from "../accounts.mjs";
import { HubServer } from "../hub/server.mjs";
import { eventsOf } from "../hub/report.mjs";
import { AmqpClient, send, text } from "./amqp-client.mjs";

const HUB = "flow";
let server;
let port;

const bodies = () => eventsOf(server.store.hub(HUB), new URLSearchParams()).map(({ body }) => Buffer.from(body, "base64").toString());
const outcomes = (sender, words) => Promise.all(words.map(async (word) => (await send(sender, text(word))).outcome));

before(async () => {
  server = new HubServer({ keys: { [HUB_KEY_NAME]: HUB_KEY } });
  ({ port } = await server.listen());
});
beforeEach(() => {
  server.faults.clear();
  server.store.hub(HUB).reset();
});
after(() => server.close());

test("exactly the chosen ones of four transfers in flight are rejected", async () => {
  server.faults.add({ action: "reject", skip: 1, count: 2, condition: "com.microsoft:server-busy", description: "50002" });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const answers = await Promise.all(["a", "b", "c", "d"].map((word) => send(sender, text(word))));
  assert.deepEqual(answers.map(({ outcome }) => outcome), ["accepted", "rejected", "rejected", "accepted"]);
  assert.deepEqual([answers[1].condition, answers[1].description], ["com.microsoft:server-busy", "50002"]);
  assert.deepEqual(bodies(), ["a", "d"]);
  close();
});

test("a fault for another hub neither counts nor applies", async () => {
  server.faults.add({ action: "reject", hub: "another" });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  assert.deepEqual(await outcomes(sender, ["a"]), ["accepted"]);
  assert.equal(server.faults.list()[0].seen, 0);
  close();
});

test("a busy hub rejects everything for the given time", async () => {
  server.faults.add({ action: "reject", forMs: 300 });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  assert.deepEqual(await outcomes(sender, ["a", "b"]), ["rejected", "rejected"]);
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.deepEqual(await outcomes(sender, ["c"]), ["accepted"]);
  close();
});

test("released and modified transfers are not stored", async () => {
  server.faults.add({ action: "release" });
  server.faults.add({ action: "modify" });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  assert.deepEqual(await outcomes(sender, ["a", "b", "c"]), ["released", "modified", "accepted"]);
  assert.deepEqual(bodies(), ["c"]);
  close();
});

for (const store of [false, true]) {
  test(`a detach ${store ? "after" : "before"} storing ends the link and answers nothing`, async () => {
    server.faults.add({ action: "detach", skip: 1, store });
    const { client, sender, close } = await AmqpClient.sender(port, HUB);
    await send(sender, text("a"));
    sender.send(text("b"));
    sender.send(text("in flight behind it"));
    assert.equal((await sender.whenClosed).condition, "amqp:link:detach-forced");
    assert.deepEqual(bodies(), store ? ["a", "b"] : ["a"]);
    const again = await client.openSender(HUB);
    assert.deepEqual(await outcomes(again, ["c"]), ["accepted"]);
    close();
  });

  test(`a socket dropped ${store ? "after" : "before"} storing answers nothing`, async () => {
    server.faults.add({ action: "drop", store });
    const { client, sender } = await AmqpClient.sender(port, HUB);
    sender.send(text("a"));
    assert.equal(await client.disconnected, "disconnected");
    assert.deepEqual(bodies(), store ? ["a"] : []);
  });
}

test("a swallowed transfer is never answered, and the link stays usable", async () => {
  server.faults.add({ action: "swallow", store: true });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const lost = sender.send(text("a"));
  assert.deepEqual(await outcomes(sender, ["b", "c"]), ["accepted", "accepted"]);
  assert.equal(lost.remote_settled, false);
  assert.deepEqual(bodies(), ["a", "b", "c"]);
  assert.equal(server.store.hub(HUB).counters.unanswered, 1);
  close();
});

test("held transfers are answered when released", async () => {
  server.faults.add({ action: "hold", count: 3 });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const held = outcomes(sender, ["a", "b", "c"]);
  assert.deepEqual(await outcomes(sender, ["d"]), ["accepted"]);
  assert.equal(server.store.hub(HUB).counters.unansweredNow, 3);
  assert.equal(server.ingress.release(), 3);
  assert.deepEqual(await held, ["accepted", "accepted", "accepted"]);
  close();
});

test("faults are released and removed for one hub alone", async () => {
  server.faults.add({ action: "hold", hub: HUB });
  server.faults.add({ action: "hold", hub: "another" });
  server.faults.add({ action: "reject", hub: "another" });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const held = outcomes(sender, ["a"]);
  while (server.ingress.heldCount(HUB) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(server.ingress.release("another"), 0);
  assert.equal(server.ingress.release(HUB), 1);
  assert.deepEqual(await held, ["accepted"]);
  server.faults.clear(HUB);
  assert.deepEqual(server.faults.list().map(({ hub }) => hub), ["another", "another"]);
  close();
});

test("a delayed answer comes after a later one", async () => {
  server.faults.add({ action: "delay", ms: 200 });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const order = [];
  await Promise.all(["late", "soon"].map(async (word) => {
    await send(sender, text(word));
    order.push(word);
  }));
  assert.deepEqual(order, ["soon", "late"]);
  close();
});

test("transfers that exceed the session window are all answered", async () => {
  server.store.configure(HUB, { discard: true });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  // 16 frames each; the window has 2,048.
  const large = "x".repeat(1_000_000);
  for (let i = 0; i < 15; i += 1) assert.deepEqual(await outcomes(sender, Array(10).fill(large)), Array(10).fill("accepted"));
  server.store.configure(HUB, { discard: false });
  close();
});

test("a late rejection after an acceptance keeps both outcomes apart", async () => {
  server.faults.add({ action: "refuse-late", skip: 1, description: "50002" });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const order = [];
  const answers = await Promise.all(["a", "b", "c", "d"].map(async (word) => {
    const answer = await send(sender, text(word));
    order.push(word);
    return answer;
  }));
  assert.deepEqual(order, ["a", "c", "b", "d"]);
  assert.deepEqual(answers.map(({ outcome }) => outcome), ["accepted", "rejected", "accepted", "accepted"]);
  assert.deepEqual([answers[1].condition, answers[1].description], ["com.microsoft:server-busy", "50002"]);
  assert.deepEqual(bodies(), ["a", "c", "d"]);
  close();
});

test("a transfer is accepted late, but stored in order", async () => {
  server.faults.add({ action: "late", after: 2 });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const order = [];
  await Promise.all(["a", "b", "c", "d"].map(async (word) => {
    await send(sender, text(word));
    order.push(word);
  }));
  assert.deepEqual(order, ["b", "c", "a", "d"]);
  assert.deepEqual(bodies(), ["a", "b", "c", "d"]);
  close();
});

test("a late answer that nothing precedes is sent when released", async () => {
  server.faults.add({ action: "refuse-late", hub: HUB });
  const { sender, close } = await AmqpClient.sender(port, HUB);
  const refused = outcomes(sender, ["a"]);
  while (server.store.hub(HUB).counters.transfers === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(server.ingress.release("another"), 0);
  assert.equal(server.ingress.release(HUB), 1);
  assert.deepEqual(await refused, ["rejected"]);
  close();
});

test("raw bytes are written to a connection at any time", async () => {
  const { client } = await AmqpClient.sender(port, HUB);
  // A close frame without an error.
  assert.ok(server.writeRaw({ bytes: Buffer.from("0000000c0200000000531845", "hex").toString("base64") }) > 0);
  assert.equal(await client.closed, undefined);
});

test("one attach is refused with the given condition", async () => {
  server.faults.add({ action: "refuse-attach", condition: "com.microsoft:server-busy" });
  const client = await AmqpClient.connect(port);
  await client.putToken(`sb://127.0.0.1:${port}/${HUB}`);
  await assert.rejects(client.openSender(HUB), { condition: "com.microsoft:server-busy" });
  await client.openSender(HUB);
  client.connection.close();
});

test("a hub that is down refuses connections, and returns on its port", async () => {
  const { client } = await AmqpClient.sender(port, HUB);
  await server.takeDown();
  assert.equal(await client.disconnected, "disconnected");
  await assert.rejects(AmqpClient.connect(port), /refused/);
  await server.bringUp();
  const { sender, close } = await AmqpClient.sender(port, HUB);
  assert.deepEqual(await outcomes(sender, ["back"]), ["accepted"]);
  close();
});

test("connections are closed with connection:forced on demand", async () => {
  const { client } = await AmqpClient.sender(port, HUB);
  server.closeConnections();
  assert.equal((await client.closed).condition, "amqp:connection:forced");
});

test("idle links are detached on demand, and the connection stays", async () => {
  const { client, sender, close } = await AmqpClient.sender(port, HUB);
  assert.equal(server.detachLinks({ hub: HUB }), 1);
  assert.equal((await sender.whenClosed).condition, "amqp:link:detach-forced");
  await client.openSender(HUB);
  close();
});

test("chosen put-tokens are refused, and all are counted", async () => {
  server.faults.add({ action: "cbs", status: 500 });
  server.faults.add({ action: "cbs", skip: 1, status: 401 });
  const before = server.counters.putTokens;
  const client = await AmqpClient.connect(port);
  const audience = `sb://127.0.0.1:${port}/${HUB}`;
  const statuses = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await client.putToken(audience)).status);
  assert.deepEqual(statuses, [500, 401, 202]);
  assert.equal(server.counters.putTokens - before, 3);
  assert.equal(server.lastToken.audience, audience);
  client.connection.close();
});

test("raw bytes precede the open of one connection only", async () => {
  // An empty frame.
  server.faults.add({ action: "raw-open", bytes: Buffer.from("0000000802000000", "hex").toString("base64") });
  const clients = [await AmqpClient.connect(port), await AmqpClient.connect(port)];
  const [struck, other] = clients.map(({ connection }) => connection.socket.bytesRead);
  assert.equal(struck - other, 8);
  for (const { connection } of clients) connection.close();
});

test("put-tokens are answered with deep and with long bodies", async () => {
  server.faults.add({ action: "cbs", nested: 3 });
  server.faults.add({ action: "cbs", skip: 1, bytes: 300_000 });
  const client = await AmqpClient.connect(port);
  const bodies = [];
  for (let i = 0; i < 2; i += 1) bodies.push((await client.putToken(`sb://127.0.0.1:${port}/${HUB}`)).body);
  assert.deepEqual(bodies[0], [[[[]]]]);
  assert.equal(bodies[1].toString(), "x".repeat(300_000));
  client.connection.close();
});

test("an unknown fault is refused with the list of known ones", () => {
  assert.throws(() => server.faults.add({ action: "explode" }), /'explode'; known: reject, release/);
});
