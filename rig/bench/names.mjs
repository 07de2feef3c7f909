// Labels for the page and the plots.

export const CONTENDERS = {
  whole: "forwarder", read: "ranged GETs alone", send: "AMQP sends alone", both: "both at once, by two programs",
  python: "vendors' incremental function: Python", node: "the same in JavaScript",
};

/** Shorter labels, for the plots. */
export const SHORT = {
  whole: "forwarder", read: "GETs alone", send: "sends alone", both: "both at once", python: "vendors' split, Python", node: "vendors' split, JavaScript",
};

export const FUNCTIONS = {
  cutter: "cutter", raw_value: "`RawValue`", sonic_lazy: "`sonic-rs`", memchr3: "`memchr3`",
  memchr_none: "`memchr`, no match", memcpy: "memcpy",
};

export const DESIGNS = { forwarder: "forwarder", leases: "checkpoints in leased blobs", naive: "naive function" };

/** The functions in divan's table: first those above, in their order, then all others. */
export const functionsOf = (cut) => [...Object.keys(FUNCTIONS).filter((name) => name in cut), ...Object.keys(cut).filter((name) => !(name in FUNCTIONS))];
export const functionName = (name) => FUNCTIONS[name] ?? `\`${name}\``;
export const shapesOf = (cut) => [...new Set(Object.values(cut).flatMap((shapes) => Object.keys(shapes)))];
export const sizeName = (size) => (size >= 1000 ? `${size / 1000} GB` : `${size} MB`);
