#!/usr/bin/env python3
"""A fake `az` for the tests of scripts/deploy.sh.

Appends its arguments to $FAKE_AZ/calls, one JSON array a line. Its answers are in $FAKE_AZ/answers.json, a list of
`{"when": [words], "out": text, "code": number, "times": number}`: the first entry whose words all occur among the
arguments, in order, is used; one with `times` only that many times.
"""

import json
import os
import sys
from pathlib import Path

folder = Path(os.environ["FAKE_AZ"])
arguments = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\n")


def matches(words):
    rest = iter(arguments)
    return all(any(word in argument for argument in rest) for word in words)


answers = json.loads((folder / "answers.json").read_text())
for answer in answers:
    if answer.get("times", 1) > 0 and matches(answer["when"]):
        if "times" in answer:
            answer["times"] -= 1
            (folder / "answers.json").write_text(json.dumps(answers))
        sys.stdout.write(answer.get("out", ""))
        if answer.get("code"):
            print("ERROR: injected by the test", file=sys.stderr)
        sys.exit(answer.get("code", 0))
sys.exit(0)
