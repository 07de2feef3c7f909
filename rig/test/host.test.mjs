import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { deliveriesOf, FunctionsHost, validate } from "../host.mjs";
import { seeded } from "../watcher/random.mjs";

const GOOD = { Outputs: {}, Logs: [], ReturnValue: null };

// Answers with its environment.
const ECHO = `
  const { createServer } = require("node:http");
  createServer((request, response) => response.end(JSON.stringify(process.env))).listen(Number(process.env.FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
`;

describe("validation of a response", () => {
  const json = "application/json; charset=utf-8";
  for (const [name, answer, ok] of [
    ["a JSON object is success", { status: 200, contentType: json, body: JSON.stringify(GOOD) }, true],
    ["an empty 200 is a hang", { status: 200, contentType: json, body: "" }, false],
    ["null is a hang", { status: 200, contentType: json, body: "null" }, false],
    ["another content type is a failure", { status: 200, contentType: "text/plain", body: "{}" }, false],
    ["broken JSON is a failure", { status: 200, contentType: json, body: "{" }, false],
    ["a 500 is a failure", { status: 500, contentType: json, body: "{}" }, false],
  ]) {
    test(name, () => assert.equal(validate(answer).ok, ok));
  }
});

describe("the host", () => {
  let server;
  let host;
  let seen;
  let statuses;

  before(async () => {
    server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      seen.push({ path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks)) });
      response.writeHead(statuses.shift() ?? 200, { "Content-Type": "application/json" }).end(JSON.stringify(GOOD));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    host = new FunctionsHost(server.address().port);
  });
  beforeEach(() => {
    seen = [];
    statuses = [];
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const event = { id: "1", data: { url: "http://127.0.0.1/a" } };

  test("posts the envelope to the function's path, chunked, with its headers", async () => {
    assert.equal((await host.invoke(event)).ok, true);
    const [{ path, headers, body }] = seen;
    assert.equal(path, "/FlowLogBlobCreated");
    assert.equal(headers["transfer-encoding"], "chunked");
    assert.equal(headers["content-length"], undefined);
    assert.equal(headers["content-type"], "application/json; charset=utf-8");
    assert.match(headers["x-azure-functions-invocationid"], /^[0-9a-f-]{36}$/);
    assert.deepEqual(body.Data, { eventGridEvent: event });
    assert.equal(body.Metadata.sys.MethodName, "FlowLogBlobCreated");
  });

  test("sends an event in every form of the binding", async () => {
    for (const form of ["object", "string", "array", "string-array"]) await host.invoke(event, { form });
    assert.deepEqual(seen.map(({ body }) => body.Data.eventGridEvent), [event, JSON.stringify(event), [event], JSON.stringify([event])]);
  });

  test("delivers again until it succeeds or has no attempts left", async () => {
    statuses = [500, 500];
    assert.deepEqual(await host.deliver(event, { speedUp: 10_000 }), { ok: true, attempts: 3 });
    statuses = [500, 503, 500];
    const { ok, attempts, reason } = await host.deliver(event, { speedUp: 10_000, attempts: 2 });
    assert.deepEqual([ok, attempts], [false, 2]);
    assert.match(reason, /^status 503/);
  });

  test("invokes a timer function", async () => {
    await host.invokeTimer();
    assert.equal(seen[0].path, "/FlowLogSweep");
    assert.equal(seen[0].body.Data.timer.IsPastDue, false);
  });

  test("starts a handler, waits until it answers, and stops it", async () => {
    const started = await FunctionsHost.start({ command: process.execPath, args: ["-e", ECHO], env: { EVENT_HUB_NAME: "flow" } });
    const environment = await (await fetch(`http://127.0.0.1:${started.port}/`)).json();
    assert.equal(environment.FUNCTIONS_CUSTOMHANDLER_PORT, String(started.port));
    assert.equal(environment.EVENT_HUB_NAME, "flow");
    await started.stop();
    await assert.rejects(fetch(`http://127.0.0.1:${started.port}/`));
    assert.deepEqual(await started.handler.exited, { code: null, signal: "SIGTERM" });
  });

  test("kills a handler as a crash would", async () => {
    const started = await FunctionsHost.start({ command: process.execPath, args: ["-e", ECHO] });
    assert.deepEqual(await started.kill(), { code: null, signal: "SIGKILL" });
    await started.stop();
  });

  test("says why a handler did not start", async () => {
    await assert.rejects(FunctionsHost.start({ command: "/no/such/program" }), /cannot start \/no\/such\/program: .*ENOENT/);
    await assert.rejects(FunctionsHost.start({ command: process.execPath, args: ["-e", "console.log('EVENT_HUB_NAME is missing'); process.exit(64)"] }),
      /exited \(code 64[^]*EVENT_HUB_NAME is missing/);
  });
});

test("the same seed gives the same late, doubled and repeated deliveries", () => {
  const draw = () => {
    const random = seeded("schedule");
    return Array.from({ length: 300 }, () => deliveriesOf(random, { lose: 0.1 }));
  };
  const plans = draw();
  assert.deepEqual(plans, draw());
  assert.ok(plans.some((plan) => plan.length === 0));
  assert.ok(plans.some(([first]) => first > 0));
  assert.ok(plans.some(([first, second]) => first === second && first !== undefined));
  assert.ok(plans.some(([first, second]) => second > first));
});
