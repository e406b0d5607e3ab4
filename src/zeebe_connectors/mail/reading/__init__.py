"""Reads mails: turns the bytes of one mail into JSON-able data, decrypted and verified where S/MIME is used."""
