"""The error codes that all connectors that send mail have in common, and what each means, for their pages."""

ERRORS = {
    "SMTP_NAME_NOT_RESOLVED": "The host's name is unknown. Check its spelling and the runtime's DNS. Tried again only "
    "when the name server said that the failure is temporary.",
    "HOST_FORBIDDEN": "The operator restricts which addresses may be reached, and this host's is not among them.",
    "SMTP_UNREACHABLE": "No connection: refused, no route, or cut while it was set up. Check host, port and firewalls. "
    "Tried again.",
    "SMTP_PROTOCOL": "What answers there is no mail server: it speaks something else, or its answer is endless. Check "
    "host and port.",
    "SMTP_TIMEOUT": "The server did not answer within the timeout, or the job's time was over; nothing was sent. Tried "
    "again.",
    "SMTP_TLS_FAILED": "No TLS as demanded: the certificate is not trusted or is for another name, or the server does "
    "not offer it. Check security, host and port, or give the trusted certificate.",
    "SMTP_SERVICE_REFUSED": "The server does not serve this client. Ask its operator. Tried again after a 4xx answer.",
    "SMTP_AUTH_FAILED": "The login was refused, or the chosen method is not offered. Check type, username and password "
    "or token. Tried again after a 4xx answer.",
    "MAIL_TOKEN_FAILED": "No access token could be got. Check the token endpoint, client and scopes. Tried again "
    "unless the endpoint refused the credentials.",
    "SMTP_SENDER_REFUSED": "The server does not take mail from this sender. Use an address that the account may send "
    "from. Tried again after a 4xx answer.",
    "SMTP_RECIPIENT_REFUSED": "Recipients were refused and nobody got the mail; `error.variables.refused` lists "
    "address, code and reason. Correct the addresses, or choose that the others get the mail. Tried again when all "
    "refusals are temporary.",
    "SMTP_MESSAGE_REFUSED": "The server refused the content, by policy or quota; its answer tells why. Tried again "
    "after a 4xx answer.",
    "SMTP_TOO_LARGE": "The mail is larger than the server takes (or a file than any takes). Send a link instead.",
    "SMTP_UTF8_NOT_OFFERED": "An address has letters other than ASCII before its @, and the server does not offer "
    "SMTPUTF8.",
    "SMTP_CONNECTION_LOST": "The connection was lost twice before the mail was handed over; nothing was sent. Tried "
    "again.",
    "SMTP_OUTCOME_UNKNOWN": "The connection was lost after the whole mail was handed over and before the server's "
    "answer: it may or may not be delivered. Tried again with the same Message-ID; catch the code where a duplicate is "
    "worse than a missing mail.",
    "SMTP_NO_RECIPIENT": "To, Cc and Bcc are all empty. Fill one in.",
    "INVALID_ADDRESS": "An address cannot be read; the message names field and position. Write name@example.com.",
    "HEADER_INJECTION": "A line break in text that goes into a header. Remove it.",
    "HEADER_NOT_ALLOWED": "An extra header that an input of its own writes, such as From. Use that input.",
    "FILE_FORBIDDEN": "A path outside the directories that the operator allowed. Move the file, or pass a document.",
    "FILE_NOT_FOUND": "There is no such file below the allowed directories. Check the path.",
    "FILE_NOT_READABLE": "The runtime may not read the file. Check its permissions.",
    "INVALID_INPUT": "An input is missing or has an unknown value; the message names it and what is expected.",
}
