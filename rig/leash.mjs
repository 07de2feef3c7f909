// No process of the rig outlives the one that started it: each holds a pipe to its parent, and ends when it closes.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const GUARD = fileURLToPath(new URL("guard.mjs", import.meta.url));

/** Calls `stop` once, and then exits, when stdin closes or a signal asks for the end. */
export function endWithParent(stop) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    try {
      await stop();
    } finally {
      process.exit(0);
    }
  };
  process.stdin.on("end", end).on("error", end).resume();
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("SIGHUP", end);
}

/**
 * Starts a Node script that calls `endWithParent` itself.
 * @returns {import("node:child_process").ChildProcess} with its stdin as the leash
 */
export function spawnScript(script, args, options = {}) {
  return spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "pipe"], ...options });
}

/**
 * Starts any program behind a guard that ends it when this process is gone. Resolves, when it runs, to
 * `{child, pid, exited}`: `pid` is the program's own, `exited` resolves to `{code, signal}`.
 */
export async function spawnGuarded(command, args, options = {}) {
  const child = spawn(process.execPath, [GUARD, command, ...args], { ...options, stdio: ["pipe", "pipe", "pipe", "ipc"] });
  const exited = new Promise((resolve) => {
    child.on("message", (message) => message.exited && resolve(message.exited));
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  const pid = await new Promise((resolve, reject) => {
    child.on("message", (message) => {
      if (message.started) resolve(message.started);
      if (message.failed) reject(new Error(`${command} cannot be started: ${message.failed}`));
    });
    child.on("error", reject);
  });
  return { child, pid, exited };
}

/** Asks a child on a leash to end, and waits until it has. */
export async function release(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  await exited;
}
