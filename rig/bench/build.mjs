// Builds the programs to measure, and runs those that print their own measurements.

import { copyFileSync, existsSync } from "node:fs";
import { spawnSupervised, stopChild } from "../child-process.mjs";
import { ROOT } from "../forwarder.mjs";

const BUILD_MS = 30 * 60_000;

/** Runs a program to its end and returns its stdout; stops it after `timeoutMs` or when this process exits. */
export async function output(command, args, { timeoutMs = 300_000, ...options } = {}) {
  const { child, exited } = await spawnSupervised(command, args, options);
  const texts = { stdout: "", stderr: "" };
  for (const name of Object.keys(texts)) child[name].setEncoding("utf8").on("data", (text) => { texts[name] += text; });
  const closed = new Promise((resolve) => child.once("close", resolve));
  let late = false;
  const timeout = setTimeout(() => {
    late = true;
    stopChild(child);
  }, timeoutMs);
  const { code, signal } = await exited;
  await closed;
  clearTimeout(timeout);
  if (late) throw new Error(`not done within ${timeoutMs / 1000} s`);
  if (code !== 0) throw new Error(`${command.split("/").at(-1)} exited with ${signal ?? code}: ${texts.stderr.trim().split("\n").at(-1)}`);
  return texts.stdout;
}

/** Builds the named cargo benchmarks, then the release binary; returns the benchmarks' paths by name. */
export async function build(benches) {
  const options = { cwd: ROOT, timeoutMs: BUILD_MS };
  const args = ["bench", "--locked", "--no-run", ...benches.flatMap((name) => ["--bench", name]), "--message-format=json"];
  const lines = benches.length === 0 ? [] : (await output("cargo", args, options)).split("\n").filter(Boolean);
  const built = lines.map((line) => JSON.parse(line)).filter(({ executable }) => executable);
  await output("cargo", ["build", "--release", "--locked"], options);
  return Object.fromEntries(built.map(({ target, executable }) => [target.name, executable]));
}

/** Builds the forwarder of `commit`, once, and returns its path. */
export async function buildBaseline(commit) {
  const [program, tree] = [`${ROOT}target/${commit}/flowlog-forwarder`, `${ROOT}target/${commit}/tree`];
  if (existsSync(program)) return program;
  const git = (...args) => output("git", args, { cwd: ROOT });
  await git("worktree", "add", "--force", "--detach", tree, commit);
  try {
    await output("cargo", ["build", "--release", "--locked", "--target-dir", `${ROOT}target/${commit}/build`], { cwd: tree, timeoutMs: BUILD_MS });
    copyFileSync(`${ROOT}target/${commit}/build/release/flowlog-forwarder`, program);
  } finally {
    await git("worktree", "remove", "--force", tree);
  }
  return program;
}
