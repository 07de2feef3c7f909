// Reads a hub back with Microsoft's own client, unmodified: `node read_back.mjs <connection string> <hub> <count>`
// prints `count` events as one line of JSON, as the client shows them to an application.

import { createRequire } from "node:module";

const { EventHubConsumerClient, earliestEventPosition } =
  createRequire(new URL("../../../rig/package.json", import.meta.url))("@azure/event-hubs");

const [connection, hub, count] = process.argv.slice(2);
const client = new EventHubConsumerClient(EventHubConsumerClient.defaultConsumerGroupName, connection, hub);
const events = [];

await new Promise((resolve, reject) => {
  client.subscribe({
    async processEvents(received) {
      for (const event of received) {
        events.push({
          // The client parses a JSON body; ours must come out whole.
          records: event.body.records,
          messageId: event.messageId,
          contentType: event.contentType,
          partitionKey: event.partitionKey,
          properties: event.properties,
        });
      }
      if (events.length >= Number(count)) resolve();
    },
    async processError(error) {
      reject(error);
    },
  }, { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 });
});
await client.close();
process.stdout.write(`${JSON.stringify(events)}\n`);
