"""Make text with JSON's escapes encodable as UTF-8."""


def sendable(text: str) -> str:
    """The text with half surrogates, which a JSON escape can bring and UTF-8 cannot carry, made to U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
