// Events as the control API shows them.

import rhea from "rhea";

const DATA_SECTION = 0x75;

/** A body's bytes: the data sections joined, or, for a body of another kind, its JSON. */
function bodyBytes(body) {
  if (body?.typecode === DATA_SECTION) return Buffer.concat(body.multiple ? body.content : [body.content]);
  return Buffer.from(JSON.stringify(body?.content ?? body ?? null));
}

function eventReport(event, withBody) {
  const message = rhea.message.decode(event.bytes);
  const body = bodyBytes(message.body);
  return {
    partition: event.partition,
    sequence: event.sequence,
    messageId: message.message_id ?? null,
    contentType: message.content_type ?? null,
    applicationProperties: message.application_properties ?? {},
    annotations: message.message_annotations ?? {},
    partitionKey: event.partitionKey ?? null,
    batch: event.batch,
    transferBytes: event.transferBytes,
    bodyBytes: body.length,
    ...(withBody ? { body: body.toString("base64") } : {}),
  };
}

/** A hub's events in the order of acceptance; the query may say `from`, `limit` and `body=none`. */
export function eventsOf(hub, query) {
  const from = Number(query.get("from") ?? 0);
  const limit = Number(query.get("limit") ?? Infinity);
  return hub.order.slice(from, from + limit).map((event) => eventReport(event, query.get("body") !== "none"));
}
