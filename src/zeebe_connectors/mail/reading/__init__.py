"""Read mails: turn the bytes of one mail into JSON-able data, decrypted and verified where S/MIME is used."""
