// Starts a rig and a forwarder, each in its own process, so that the benchmark disturbs them as little as possible.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spawnScript, stopChild } from "../child-process.mjs";
import { BINARY, HUB, settings } from "../forwarder.mjs";
import { FunctionsHost } from "../host.mjs";

const RIG = fileURLToPath(new URL("../rig.mjs", import.meta.url));

// Off, as in Azure: with backtraces, the SDK walks the stack for each header that is absent.
export const environment = (endpoints) => ({ ...settings(endpoints), RUST_BACKTRACE: "0" });

/** `{host, peak(), cpu()}`: peak memory in bytes, CPU time in seconds. */
async function startHandler(endpoints, command) {
  const host = await FunctionsHost.start({ command, env: environment(endpoints) });
  const { pid } = host.handler;
  return {
    host,
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024,
    // User and system time, in clock ticks of 10 ms.
    cpu: () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((sum, n) => sum + Number(n), 0) / 100,
  };
}

/** Runs `work` with a new forwarder process, and stops it afterwards. */
export async function withHandler({ endpoints }, work, command = BINARY) {
  const handler = await startHandler(endpoints, command);
  try {
    return await work(handler);
  } finally {
    await handler.host.stop();
  }
}

/** Calls the rig's control API. */
async function control({ endpoints }, method, path, body) {
  const answer = await fetch(endpoints.control + path, { method, body: body && JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${result.error}`);
  return result;
}

/** Runs `work` with a new rig whose hubs discard events, and stops it afterwards. */
export async function withRig(work, ...options) {
  const child = spawnScript(RIG, ["--discard", ...options], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = createInterface({ input: child.stdout });
    const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => { throw new Error("the rig did not start"); })]);
    const rig = { endpoints: JSON.parse(line), control: (...call) => control(rig, ...call) };
    return await work(rig);
  } finally {
    await stopChild(child);
  }
}

export const hubStats = (rig) => rig.control("GET", `/hub/${HUB}/stats`);

/** Delivers an event until all of the blob has arrived; returns the total seconds of the invocations. */
export async function deliver(rig, host, event, length) {
  const before = (await hubStats(rig)).bytes;
  let seconds = 0;
  for (let deliveries = 0; deliveries === 0 || (await hubStats(rig)).bytes - before < length; deliveries += 1) {
    if (deliveries === 40) throw new Error("not forwarded within 40 deliveries");
    const started = performance.now();
    await invoke(host, event);
    seconds += (performance.now() - started) / 1000;
  }
  return seconds;
}

/** Invokes the function once; throws if it fails. */
export async function invoke(host, event) {
  const { ok, reason } = await host.invoke(event);
  if (!ok) throw new Error(reason);
}
