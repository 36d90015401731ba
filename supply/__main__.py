"""`python -m supply lock`, `python -m supply bill`, `python -m supply audit PIP-AUDIT`: to standard output."""

from __future__ import annotations

import json
import sys

from supply.audit import audit
from supply.bill import bill
from supply.lock import lock

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lock"]:
            sys.stdout.write(lock())
        case ["bill"]:
            sys.stdout.write(json.dumps(bill(), indent=2) + "\n")
        case ["audit", tool]:
            text, status = audit(tool)
            print(text)
            sys.exit(status)
        case _:
            sys.exit(__doc__)
