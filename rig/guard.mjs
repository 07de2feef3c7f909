// Runs the program named on its command line and ends it when stdin closes: `node guard.mjs program [argument…]`.
// It tells its parent, by message, the program's process id and how it ended.

import { spawn } from "node:child_process";
import { endWithParent } from "./leash.mjs";

const GRACE_MS = 5000;

const [command, ...args] = process.argv.slice(2);
const program = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });

program.on("error", (error) => process.send({ failed: error.message }, () => process.exit(1)));
program.on("spawn", () => process.send({ started: program.pid }));
program.on("exit", (code, signal) => process.send({ exited: { code, signal } }, () => process.exit(0)));

endWithParent(async () => {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const exited = new Promise((resolve) => program.once("exit", resolve));
  program.kill("SIGTERM");
  const impatience = setTimeout(() => program.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(impatience);
});
