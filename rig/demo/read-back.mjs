// Reads a hub from its beginning to its end with Microsoft's client.

import { EventHubConsumerClient, earliestEventPosition } from "@azure/event-hubs";

const STALLED_MS = 20_000;

/** Calls `onBody` with the bytes of each event's body; resolves to how many there were. */
export async function readBack(connection, hub, onBody) {
  const consumer = new EventHubConsumerClient("$Default", connection, hub);
  try {
    let wanted = 0;
    for (const id of await consumer.getPartitionIds()) {
      wanted += (await consumer.getPartitionProperties(id)).lastEnqueuedSequenceNumber + 1;
    }
    let got = 0;
    if (wanted === 0) return 0;
    await new Promise((resolve, reject) => {
      let stalled;
      const watch = () => {
        clearTimeout(stalled);
        stalled = setTimeout(() => end(new Error(`the hub holds ${wanted} events, and only ${got} could be read back`)), STALLED_MS);
      };
      const subscription = consumer.subscribe({
        processEvents: async (events) => {
          for (const { body } of events) onBody(Buffer.from(body));
          got += events.length;
          watch();
          if (got >= wanted) end();
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
