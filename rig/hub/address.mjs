// Parses link addresses and the filters with which a reader chooses its start position.

/**
 * `$cbs` · `$management` · `<hub>` · `<hub>/Partitions/<n>` · `<hub>/ConsumerGroups/<group>/Partitions/<n>`
 * Undefined for anything else.
 */
export function parseAddress(address) {
  const path = String(address ?? "").replace(/^amqps?:\/\/[^/]*\//i, "").replace(/^\/+|\/+$/g, "");
  if (path === "$cbs") return { node: "$cbs", path };
  if (path === "$management" || path.endsWith("/$management")) return { node: "$management", path };
  const match = /^([^/]+)(?:\/ConsumerGroups\/([^/]+))?(?:\/Partitions\/(\d+))?$/i.exec(path);
  if (!match || match[1].startsWith("$")) return undefined;
  const [, hub, consumerGroup, partition] = match;
  if (consumerGroup !== undefined && partition === undefined) return undefined;
  return { node: consumerGroup === undefined ? "producer" : "consumer", hub, consumerGroup, partition, path };
}

const SELECTOR = /^amqp\.annotation\.(x-opt-offset|x-opt-sequence-number|x-opt-enqueued-time)\s*(>=?)\s*'([^']*)'$/;

const FIELD = {
  "x-opt-offset": (event) => Number(event.offset),
  "x-opt-sequence-number": (event) => event.sequence,
  "x-opt-enqueued-time": (event) => event.enqueued,
};

/** The index of the first event that a selector includes; 0 without a selector. */
export function startIndex(selector, events) {
  if (selector === undefined) return 0;
  const match = SELECTOR.exec(selector.trim());
  if (!match) throw new RangeError(`unknown filter: ${selector}`);
  const [, annotation, operator, value] = match;
  if (value === "@latest") return events.length;
  if (value === "-1") return 0;
  const from = Number(value);
  if (!Number.isFinite(from)) throw new RangeError(`filter does not compare with a number: ${selector}`);
  const index = events.findIndex((event) => {
    const field = FIELD[annotation](event);
    return operator === ">" ? field > from : field >= from;
  });
  return index === -1 ? events.length : index;
}
