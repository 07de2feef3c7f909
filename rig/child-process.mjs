// Child processes that exit with their parent: each reads a pipe from it and exits when the pipe closes.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const SUPERVISOR = fileURLToPath(new URL("supervisor.mjs", import.meta.url));

/** Calls `stop` once, then exits, when stdin closes or a termination signal arrives. */
export function exitWithParent(stop) {
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

/** Starts a Node script that calls `exitWithParent` itself. */
export function spawnScript(script, args, options = {}) {
  return spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "pipe"], ...options });
}

/**
 * Starts any program under a supervisor that stops it when this process exits. Resolves, once it runs, to
 * `{child, pid, exited}`: `child` is the supervisor, `pid` the program's, and `exited` resolves to `{code, signal}`.
 */
export async function spawnSupervised(command, args, options = {}) {
  const child = spawn(process.execPath, [SUPERVISOR, command, ...args], { ...options, stdio: ["pipe", "pipe", "pipe", "ipc"] });
  const exited = new Promise((resolve) => {
    child.on("message", (message) => message.exited && resolve(message.exited));
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  const pid = await new Promise((resolve, reject) => {
    child.on("message", (message) => {
      if (message.started) resolve(message.started);
      if (message.failed) reject(new Error(`cannot start ${command}: ${message.failed}`));
    });
    child.on("error", reject);
  });
  return { child, pid, exited };
}

/** Closes the child's stdin, which stops it, and waits until it has exited. */
export async function stopChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  await exited;
}
