"""Make element templates, reference pages and the table of connectors from connectors' descriptions."""
