// `node supervisor.mjs PROGRAM [ARGUMENT…]` runs a program and stops it when stdin closes. Sends the parent process
// `{started: pid}` or `{failed: reason}`, then `{exited: {code, signal}}`.

import { spawn } from "node:child_process";
import { exitWithParent } from "./child-process.mjs";

const GRACE_MS = 5000;

const [command, ...args] = process.argv.slice(2);
const program = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });

program.on("error", (error) => process.send({ failed: error.message }, () => process.exit(1)));
program.on("spawn", () => process.send({ started: program.pid }));
program.on("exit", (code, signal) => process.send({ exited: { code, signal } }, () => process.exit(0)));

exitWithParent(async () => {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const exited = new Promise((resolve) => program.once("exit", resolve));
  program.kill("SIGTERM");
  const timeout = setTimeout(() => program.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(timeout);
});
