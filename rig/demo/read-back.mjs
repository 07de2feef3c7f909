// Reads all events of a hub with Microsoft's client.

import { EventHubConsumerClient, earliestEventPosition } from "@azure/event-hubs";

const STALLED_MS = 20_000;

/** Calls `onBody` with the bytes of each event's body; resolves to the number of events. */
export async function readBack(connection, hub, onBody) {
  const consumer = new EventHubConsumerClient("$Default", connection, hub);
  try {
    let expected = 0;
    for (const id of await consumer.getPartitionIds()) {
      expected += (await consumer.getPartitionProperties(id)).lastEnqueuedSequenceNumber + 1;
    }
    let got = 0;
    if (expected === 0) return 0;
    await new Promise((resolve, reject) => {
      let stalled;
      const watch = () => {
        clearTimeout(stalled);
        stalled = setTimeout(() => end(new Error(`only ${got} of the hub's ${expected} events could be read`)), STALLED_MS);
      };
      const subscription = consumer.subscribe({
        processEvents: async (events) => {
          for (const { body } of events) onBody(Buffer.from(body));
          got += events.length;
          watch();
          if (got >= expected) end();
        },
        processError: async (error) => end(error),
      }, { startPosition: earliestEventPosition, skipParsingBodyAsJson: true, maxBatchSize: 100 });
      const end = (error) => {
        clearTimeout(stalled);
        subscription.close().then(() => (error ? reject(error) : resolve()), reject);
      };
      watch();
    });
    return got;
  } finally {
    await consumer.close();
  }
}
