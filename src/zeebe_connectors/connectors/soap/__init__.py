"""Call SOAP services, by envelope or by an operation of a WSDL."""
