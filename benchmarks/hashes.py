"""Prints what pip would install, one requirement a line with its hash: `python benchmarks/hashes.py REPORT`.

The report is that of `pip install --dry-run --report`; `make sbom` makes both.
"""

import json
import sys
from pathlib import Path

for item in sorted(json.loads(Path(sys.argv[1]).read_text())["install"], key=lambda item: item["metadata"]["name"]):
    found = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
    if found:
        print(f"{item['metadata']['name']}=={item['metadata']['version']} --hash=sha256:{found}")
