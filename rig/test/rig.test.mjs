import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeToken } from "../identity.mjs";
import { AmqpClient, send, text } from "./amqp-client.mjs";

const RIG = fileURLToPath(new URL("../rig.mjs", import.meta.url));

async function startProcess(...args) {
  const child = spawn(process.execPath, [RIG, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const endpoints = JSON.parse(line);
  const control = async (method, path, body) => {
    const answer = await fetch(endpoints.control + path, { method, body: body && JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };
  return { child, endpoints, control };
}

const refused = (url) => fetch(url).then(() => false, () => true);

async function untilRefused(url) {
  while (!(await refused(url))) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("the rig as a process", () => {
  for (const [how, end] of [
    ["its stdin closes", (child) => child.stdin.end()],
    ["it gets SIGTERM", (child) => child.kill("SIGTERM")],
    ["it is killed outright", (child) => child.kill("SIGKILL")],
  ]) {
    test(`stops, with Azurite, when ${how}`, async () => {
      const { child, endpoints } = await startProcess();
      assert.equal(await refused(endpoints.blob), false);
      end(child);
      await once(child, "exit");
      await untilRefused(endpoints.blob);
      await untilRefused(endpoints.table);
    });
  }

  test("is controlled through its API", async () => {
    const { child, endpoints, control } = await startProcess("--partitions", "2", "--max-message-size", "262144");
    assert.deepEqual((await control("GET", "/endpoints")).body, endpoints);

    const { sender, close } = await AmqpClient.sender(endpoints.hubPort, "flow");
    assert.equal(sender.max_message_size, 262_144);
    await control("POST", "/hub/faults", { action: "hold", hub: "flow" });
    const held = send(sender, { ...text("first"), message_id: "m1", content_type: "application/json" });
    while ((await control("GET", "/hub/flow/stats")).body.held === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual((await control("POST", "/hub/release")).body, { answered: 1 });
    assert.equal((await held).outcome, "accepted");
    await send(sender, text("second"));
    const { body: events } = await control("GET", "/hub/flow/events");
    assert.deepEqual(events.map(({ body, messageId, batch, sequence }) => [Buffer.from(body, "base64").toString(), messageId, batch, sequence]),
      [["first", "m1", 1, 0], ["second", null, 2, 0]]);
    assert.deepEqual((await control("GET", "/hub/flow/events?from=1&body=none")).body.map(({ body, bodyBytes }) => [body, bodyBytes]), [[undefined, 6]]);
    assert.equal((await control("GET", "/hub/tokens")).body.last.type, "servicebus.windows.net:sastoken");

    const { body: outage } = await control("POST", "/hub/faults", { action: "gone" });
    assert.equal(typeof outage.id, "number");
    await assert.rejects(AmqpClient.connect(endpoints.hubPort), /refused/);
    await control("DELETE", "/hub/faults");
    const again = await AmqpClient.sender(endpoints.hubPort, "flow");
    again.close();

    await control("DELETE", "/hub/flow");
    assert.equal((await control("GET", "/hub/flow/stats")).body.events, 0);
    assert.equal((await control("POST", "/hub/faults", { action: "explode" })).status, 400);
    assert.equal((await control("GET", "/storage/requests")).status, 404);
    assert.equal((await control("GET", "/nothing")).status, 404);
    close();
    child.stdin.end();
    await once(child, "exit");
  });

  test("with --tls accepts AMQP over TLS and a managed identity's token", async () => {
    const { child, endpoints } = await startProcess("--tls", "--identity");
    const ca = await readFile(endpoints.caFile);
    await assert.rejects(AmqpClient.connect(endpoints.hubTlsPort, { transport: "tls" }), /refused/);
    const client = await AmqpClient.connect(endpoints.hubTlsPort, { transport: "tls", ca });
    const { token } = makeToken({ audience: "https://eventhubs.azure.net", lifetimeSeconds: 60 });
    assert.equal((await client.putToken(`amqps://${endpoints.hubTlsHost}/flow`, { type: "jwt", token })).status, 202);
    const sender = await client.openSender("flow");
    assert.equal((await send(sender, text("secret"))).outcome, "accepted");
    client.connection.close();
    child.stdin.end();
    await once(child, "exit");
    await assert.rejects(readFile(endpoints.caFile), { code: "ENOENT" });
  });
});
