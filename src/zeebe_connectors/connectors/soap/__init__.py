"""SOAP: an envelope or an operation of a WSDL with its input goes in, the service's reply as JSON comes out."""
