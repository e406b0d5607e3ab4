"""Speak gRPC over HTTP/2 on asyncio: `client` for the runtime, `server` for the local engine, `connection` for both."""
