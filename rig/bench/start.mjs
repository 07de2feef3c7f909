// From the start of the process to its first 200.

import { spawn } from "node:child_process";
import { freePort } from "../host.mjs";
import { HANDLER } from "./build.mjs";
import { median, sleep } from "./figures.mjs";
import { settings, withRig } from "./handler.mjs";

const GIVE_UP_MS = 10_000;

const answers = (port) => fetch(`http://127.0.0.1:${port}/`).then(({ status }) => status === 200, () => false);

// Without the guard that other programs get: starting that would be measured, too.
async function once(endpoints) {
  const port = await freePort();
  const started = performance.now();
  const child = spawn(HANDLER, { stdio: "ignore", env: { ...settings(endpoints), FUNCTIONS_CUSTOMHANDLER_PORT: String(port) } });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  try {
    while (!(await answers(port))) {
      if (performance.now() - started > GIVE_UP_MS) throw new Error(`no answer within ${GIVE_UP_MS} ms`);
      await sleep(1);
    }
    return performance.now() - started;
  } finally {
    end();
    await exited;
    process.off("exit", end);
  }
}

/** `{ms, times}`: the median of so many starts. */
export const startUp = (times = 20) => withRig(async ({ endpoints }) => {
  const took = [];
  while (took.length < times) took.push(await once(endpoints));
  return { ms: median(took), times };
});
