// The demo's output: a progress bar on a terminal, plain lines in a pipe, and tables at the end.

const LABEL = 38;
const AMOUNT = 14;
const BAR = 24;

export const count = (n) => Math.round(n).toLocaleString("en-US");

export function bytes(n) {
  if (n < 10_000) return `${count(n)} bytes`;
  const [unit, size] = n < 1e6 ? ["kB", 1e3] : n < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(n / size).toFixed(1)} ${unit}`;
}

export class Screen {
  constructor(stream = process.stdout) {
    this.stream = stream;
    this.terminal = stream.isTTY === true && process.env.NO_COLOR === undefined && process.env.TERM !== "dumb";
  }

  #paint(code, text) {
    return this.terminal ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  line(text = "") {
    if (this.terminal) this.stream.write("\r\x1b[K");
    this.stream.write(`${text}\n`);
  }

  heading(text) {
    this.line(this.#paint(1, text));
  }

  /** Progress of the hour; in a pipe, only every ten minutes. */
  progress({ minute, commits, records, events }, of) {
    const text = `minute ${String(minute).padStart(2)} of ${of}: ${count(commits)} commits, ${count(records)} records, ${count(events)} events delivered`;
    if (this.terminal) {
      const full = Math.round((BAR * minute) / of);
      this.stream.write(`\r\x1b[K${this.#paint(32, "█".repeat(full))}${"░".repeat(BAR - full)} ${text}`);
    } else if (minute % 10 === 0 || minute === of) {
      this.line(text);
    }
  }

  /** Rows of `[label, value, note?]`. */
  table(title, rows) {
    this.line();
    this.heading(title);
    for (const [text, amount, note] of rows) {
      this.line(`  ${text.padEnd(LABEL)}${amount.padStart(AMOUNT)}${note ? `   ${note}` : ""}`);
    }
  }

  verdict(ok, lines) {
    this.line();
    for (const text of lines) this.line(this.#paint(ok ? "1;32" : "1;31", text));
  }
}
