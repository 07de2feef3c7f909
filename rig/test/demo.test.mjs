import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { demo } from "../demo.mjs";
import { Verifier } from "../demo/verifier.mjs";
import { Screen } from "../demo/screen.mjs";
import { seeded } from "../watcher/random.mjs";
import { makeRecord } from "../watcher/records.mjs";
import { recordsOf } from "../watcher/record-scanner.mjs";

const HANDLER = fileURLToPath(new URL("naive-handler.mjs", import.meta.url));

async function play(mode, options = {}) {
  let shown = "";
  const stream = new Writable({
    write(chunk, _, done) {
      shown += chunk;
      done();
    },
  });
  const result = await demo({
    handler: { command: process.execPath, args: [HANDLER, mode] }, screen: new Screen(stream), nics: 2, commits: 6, ...options,
  });
  return { ...result, shown };
}

describe("the demo", () => {
  test("passes a forwarder that sends every record once, unchanged", async () => {
    const { ok, verdict, shown, problems } = await play("exact");
    assert.ok(ok, problems.join("\n"));
    assert.ok(verdict.committed > 12);
    assert.deepEqual([verdict.missing, verdict.duplicates, verdict.byteExact], [0, 0, true]);
    assert.match(shown, /Every record arrived, once, byte for byte\./);
    assert.doesNotMatch(shown, /\x1b/, "no colours in a pipe");
  });

  test("detects records that arrive twice", async () => {
    const { ok, verdict, figures, problems } = await play("whole");
    assert.equal(ok, false);
    assert.ok(verdict.duplicates > 0);
    assert.deepEqual([verdict.missing, verdict.altered], [0, 0]);
    assert.match(problems[0], /^DOUBLED/);
    assert.equal(figures.messages, figures.naive.sends);
  });

  test("detects records that never arrive", async () => {
    const { ok, verdict, problems } = await play("lossy");
    assert.equal(ok, false);
    assert.ok(verdict.missing > 0);
    assert.match(problems[0], /^LOST/);
  });

  test("detects records that were re-encoded", async () => {
    const { ok, verdict, problems } = await play("rewriting", { commits: 20 });
    assert.equal(ok, false);
    assert.ok(verdict.altered > 0);
    assert.equal(verdict.altered, verdict.missing);
    assert.ok(problems.some((problem) => problem.startsWith("ALTERED")));
  });

  test("plays a given file, cut at its record boundaries", async () => {
    const directory = await mkdtemp(join(tmpdir(), "flowlog-demo-"));
    const file = join(directory, "PT1H.json");
    const random = seeded("own file");
    const records = Array.from({ length: 9 }, (_, i) => makeRecord(random, { style: "spaced", at: i * 60_000, mac: "AA" }).toString());
    await writeFile(file, `{ "records" : [\n${records.join(" ,\r\n")}\n]}\n`);
    const { ok, verdict, figures } = await play("exact", { file, commits: 4 });
    await rm(directory, { recursive: true });
    assert.deepEqual([ok, verdict.committed, figures.commits], [true, 9, 4]);
  });
});

describe("the verifier", () => {
  const record = (n, tuples) => Buffer.from(`{"time":"${n}","flowRecords":{"flows":[{"aclID":"a","flowGroups":[{"rule":"r","flowTuples":[${tuples.map((t) => `"${t}"`).join(",")}]}]}]}}`);
  const message = (...records) => Buffer.from(`{"records":[${records.join(",")}]}`);
  const long = record(1, ["1,a", "2,b", "3,c", "4,d"]);

  test("accepts a long record in parts that have each tuple once", () => {
    const verifier = new Verifier(100);
    verifier.commit(long);
    verifier.receive(message(record(1, ["1,a", "2,b"])));
    verifier.receive(message(record(1, ["3,c", "4,d"])));
    assert.deepEqual(verifier.verdict(), { committed: 1, received: 1, missing: 0, duplicates: 0, altered: 0, malformed: 0, inParts: 1, byteExact: true, ok: true });
  });

  test("detects missing and repeated parts of a long record", () => {
    for (const [parts, missing, duplicates] of [[[["1,a"], ["3,c", "4,d"]], 1, 0], [[["1,a", "2,b"], ["2,b", "3,c", "4,d"]], 0, 1]]) {
      const verifier = new Verifier(100);
      verifier.commit(long);
      for (const tuples of parts) verifier.receive(message(record(1, tuples)));
      const verdict = verifier.verdict();
      assert.deepEqual([verdict.missing, verdict.duplicates, verdict.ok], [missing, duplicates, false]);
    }
  });

  test("expects equal records as often as they were committed", () => {
    const verifier = new Verifier(1000);
    for (let i = 0; i < 2; i += 1) verifier.commit(long);
    verifier.receive(message(long, long));
    assert.equal(verifier.verdict().ok, true);
    verifier.receive(message(long));
    assert.equal(verifier.verdict().duplicates, 1);
  });

  test("reports messages that are not a complete {\"records\":[…]}", () => {
    for (const body of ['{"records":[{"a":1}', '[{"a":1}]', '{"records":[{"a":1}]}{"records":[]}', '{"records":{"a":1}}', '{"other":[{"a":1}]}']) {
      const verifier = new Verifier(1000);
      verifier.receive(Buffer.from(body));
      assert.equal(verifier.verdict().malformed, 1, body);
    }
  });

  test("finds records by structure", () => {
    const tricky = String.raw`{"a":"]}","b":"\"{[","c":["\\",{"d":"}"}]}`;
    assert.deepEqual(recordsOf(Buffer.from(`{"records":[${tricky} ,\n,${tricky}]}`)).map(String), [tricky, tricky]);
  });
});
