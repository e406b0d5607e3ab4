"""Run the local engine; see `zeebe_connectors.engine.main`."""

import sys

from zeebe_connectors.engine.main import main

if __name__ == "__main__":
    sys.exit(main())
