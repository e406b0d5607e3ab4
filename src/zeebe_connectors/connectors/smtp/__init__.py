"""Send mail over SMTP: our own form, and the one that Infosys published."""
