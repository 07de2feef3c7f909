#!/usr/bin/env python3
"""Stands in for `az` in the tests of scripts/deploy.sh.

Appends its arguments to $FAKE_AZ/calls, a JSON array a line, and answers as $FAKE_AZ/answers.json says: a list of
`{"when": [words], "out": text, "code": number, "times": number}`. The first entry whose words all occur among the
arguments, one after the other, answers; one with `times` answers that often and is passed over from then on.
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
            print("ERROR: played by the test", file=sys.stderr)
        sys.exit(answer.get("code", 0))
sys.exit(0)
