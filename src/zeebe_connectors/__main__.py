"""Run the command `zeebe-connectors` as `python -m zeebe_connectors`."""

from zeebe_connectors.cli.main import main

if __name__ == "__main__":
    main()
