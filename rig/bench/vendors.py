"""The vendors' function with Microsoft's client for Python.

`vendors.py naive URL CONNECTION HUB` does what the vendors' guide does: sends the whole blob as one message.
`vendors.py incremental URL CONNECTION HUB [OFFSET]` is the improved form: reads the new bytes, parses them, joins the
records into messages that fit, and sends these.
`vendors.py largest CONNECTION HUB` finds the longest message that the client can send.

Each prints a line of JSON: its seconds and its peak memory, or the reason why it failed.
"""

import json
import resource
import sys
import time

import requests
from azure.eventhub import EventData, EventHubProducerClient

HEAD, CLOSER = '{"records":[', "]}"
# Bytes reserved for the overhead of a batch and a message.
OVERHEAD = 1024


def message(text):
    data = EventData(text)
    data.content_type = "application/json"
    return data


def naive(producer, url):
    response = requests.get(url)
    response.raise_for_status()
    producer.send_event(message(response.text))


def new_records(url, offset):
    """The records from the offset on, which is 0 or the end of a record."""
    response = requests.get(url, headers={"x-ms-range": f"bytes={offset}-"})
    response.raise_for_status()
    if offset == 0:
        return json.loads(response.content)["records"]
    return json.loads(HEAD.encode() + response.content.lstrip(b", \t\r\n"))["records"]


def messages(records, limit):
    """Joins records into messages, as many in each as fit."""
    together, size = [], 0
    for record in records:
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        length = len(text.encode()) + 1
        if together and size + length > limit:
            yield HEAD + ",".join(together) + CLOSER
            together, size = [], 0
        together.append(text)
        size += length
    if together:
        yield HEAD + ",".join(together) + CLOSER


def incremental(producer, url, offset="0"):
    batch = producer.create_batch()
    for text in messages(new_records(url, int(offset)), batch.max_size_in_bytes - OVERHEAD):
        data = message(text)
        try:
            batch.add(data)
        except ValueError:
            producer.send_batch(batch)
            batch = producer.create_batch()
            batch.add(data)
    if len(batch) > 0:
        producer.send_batch(batch)


def largest(producer):
    """Bisects between a length that is sent and one that is refused."""
    sent, refused, why = 0, 1 << 22, None
    while refused - sent > 1:
        length = (sent + refused) // 2
        try:
            producer.send_event(message(" " * length))
            sent = length
        except Exception as error:
            refused, why = length, error
    return {"largest": sent, "beyond": f"{type(why).__name__}: {why}"}


def main():
    mode, *where = sys.argv[1:]
    *url, connection, hub = where[: 2 if mode == "largest" else 3]
    # No retries: a failure must show at once.
    producer = EventHubProducerClient.from_connection_string(connection, eventhub_name=hub, retry_total=0)
    with producer:
        started = time.perf_counter()
        try:
            result = {"naive": naive, "incremental": incremental, "largest": largest}[mode](producer, *url, *where[3:]) or {}
        except Exception as error:
            result = {"failed": f"{type(error).__name__}: {error}"}
        result["seconds"] = time.perf_counter() - started
    result["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
