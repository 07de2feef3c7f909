// Measures the time from the start of the process to its first 200.

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { BINARY } from "../forwarder.mjs";
import { freePort } from "../host.mjs";
import { environment, withRig } from "./handler.mjs";
import { median } from "./statistics.mjs";

const TIMEOUT_MS = 10_000;

const answers = (port) => fetch(`http://127.0.0.1:${port}/`).then(({ status }) => status === 200, () => false);

// Not under a supervisor, whose own start would be measured too.
async function once(endpoints) {
  const port = await freePort();
  const started = performance.now();
  const child = spawn(BINARY, { stdio: "ignore", env: { ...environment(endpoints), FUNCTIONS_CUSTOMHANDLER_PORT: String(port) } });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  try {
    while (!(await answers(port))) {
      if (performance.now() - started > TIMEOUT_MS) throw new Error(`no answer within ${TIMEOUT_MS} ms`);
      await sleep(1);
    }
    return performance.now() - started;
  } finally {
    end();
    await exited;
    process.off("exit", end);
  }
}

/** `{ms, times}`: the median of `times` starts. */
export const startUp = (times = 20) => withRig(async ({ endpoints }) => {
  const took = [];
  while (took.length < times) took.push(await once(endpoints));
  return { ms: median(took), times };
});
