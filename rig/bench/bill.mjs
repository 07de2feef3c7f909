// The cost of a month, from counted operations and their prices.

/** One commit a minute, 30 days. */
export const COMMITS_A_MONTH = 43_200;

const WRITES = new Set(["put blob", "put block", "put block list", "list blobs", "container create"]);

/** The line of the bill for a kind of request, as general-purpose v2 accounts charge it. */
export function lineOf(kind) {
  if (kind.startsWith("table")) return "table operations";
  if (kind === "blob read") return "blob reads";
  return WRITES.has(kind) ? "blob writes" : "other blob operations";
}

const PRICE_OF = { "blob reads": "blobRead", "blob writes": "blobWrite", "other blob operations": "blobOther", "table operations": "tableOperation" };

/** Dollars for one interface and month: `{design: {line: dollars, …, together}}`. */
export function bill({ designs }, { prices }) {
  const oneDesign = ({ kinds, messages, bytes }) => {
    const perEvent = { "event deliveries": prices.eventDelivery, executions: prices.execution };
    for (const line of Object.keys(PRICE_OF)) perEvent[line] = 0;
    for (const [kind, n] of Object.entries(kinds)) perEvent[lineOf(kind)] += n * prices[PRICE_OF[lineOf(kind)]];
    perEvent["hub messages"] = messages * prices.hubMessageOf64KB;
    // A throughput unit takes in 1 MB/s: its price is divided by bytes.
    perEvent["hub units"] = (bytes / 1e6) * (prices.throughputUnitHour / 3600);
    const lines = Object.fromEntries(Object.entries(perEvent).map(([line, dollars]) => [line, dollars * COMMITS_A_MONTH]));
    return { ...lines, together: Object.values(lines).reduce((sum, dollars) => sum + dollars, 0) };
  };
  return Object.fromEntries(Object.entries(designs).map(([name, design]) => [name, oneDesign(design)]));
}
