// A rig and a handler to measure, each in a process of its own, so that what measures does not compete with what is
// measured more than it must.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FunctionsHost } from "../host.mjs";
import { spawnScript, stopChild } from "../child-process.mjs";
import { HANDLER } from "./build.mjs";

export const HUB = "flowlogs";
const RIG = fileURLToPath(new URL("../rig.mjs", import.meta.url));

export const settings = (endpoints) => ({
  FLOWLOG_STORAGE: endpoints.storageConnection, FLOWLOG_CONTAINERS: endpoints.container,
  AzureWebJobsStorage: endpoints.hostConnection, EVENT_HUB_CONNECTION: endpoints.hubConnection, EVENT_HUB_NAME: HUB,
  // As in Azure. With it the SDK walks the stack for each header that is not there.
  RUST_LOG: "warn", LOG_FORMAT: "text", RUST_BACKTRACE: "0",
});

/** Starts a handler of its own, and gives also what it took: `{host, peak(), cpu()}`, bytes and seconds. */
async function startHandler(endpoints, command) {
  const host = await FunctionsHost.start({ command, env: settings(endpoints) });
  const { pid } = host.handler;
  return {
    host,
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024,
    // User and system time, in clock ticks of 10 ms.
    cpu: () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((sum, n) => sum + Number(n), 0) / 100,
  };
}

/** Lets `work` use a handler, of another program than the present one if told, and ends it whatever comes of that. */
export async function withHandler({ endpoints }, work, command = HANDLER) {
  const handler = await startHandler(endpoints, command);
  try {
    return await work(handler);
  } finally {
    await handler.host.stop();
  }
}

/** The rig's control API. */
async function control({ endpoints }, method, path, body) {
  const answer = await fetch(endpoints.control + path, { method, body: body && JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${result.error}`);
  return result;
}

/** Lets `work` use a rig, whose hubs keep nothing, and ends it whatever comes of that. */
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

/** Delivers an event until all of the blob has arrived; gives the seconds that its invocations took. */
export async function deliver(rig, host, event, length) {
  const before = (await hubStats(rig)).bytes;
  let seconds = 0;
  for (let deliveries = 0; deliveries === 0 || (await hubStats(rig)).bytes - before < length; deliveries += 1) {
    if (deliveries === 40) throw new Error("it does not get on");
    const started = performance.now();
    await invoke(host, event);
    seconds += (performance.now() - started) / 1000;
  }
  return seconds;
}

/** One invocation; fails when it does. */
export async function invoke(host, event) {
  const { ok, reason } = await host.invoke(event);
  if (!ok) throw new Error(reason);
}
