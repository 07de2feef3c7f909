// What the page and the plots call what is measured.

export const CONTENDERS = {
  whole: "forwarder", read: "ranged GETs alone", send: "AMQP sends alone", both: "both at once, by two programs",
  python: "vendors' function, made incremental and split: Python", node: "the same in JavaScript",
};

/** The same, where there is less room. */
export const SHORT = {
  whole: "forwarder", read: "GETs alone", send: "sends alone", both: "both at once", python: "vendors' split, Python", node: "vendors' split, JavaScript",
};

export const FUNCTIONS = {
  cutter: "cutter", raw_value: "`RawValue`", sonic_lazy: "`sonic-rs`", memchr3: "`memchr3`",
  memchr_none: "`memchr`, no match", memcpy: "memcpy",
};

export const DESIGNS = { forwarder: "forwarder", leases: "checkpoints in leased blobs", naive: "naive function" };

/** The functions that a table of divan's has: those known first, in this order, then whatever else there is. */
export const functionsOf = (cut) => [...Object.keys(FUNCTIONS).filter((name) => name in cut), ...Object.keys(cut).filter((name) => !(name in FUNCTIONS))];
export const functionName = (name) => FUNCTIONS[name] ?? `\`${name}\``;
export const shapesOf = (cut) => [...new Set(Object.values(cut).flatMap((shapes) => Object.keys(shapes)))];
export const sizeName = (size) => (size >= 1000 ? `${size / 1000} GB` : `${size} MB`);
