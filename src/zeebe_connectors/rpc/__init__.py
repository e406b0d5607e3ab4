"""Speak gRPC over HTTP/2 on asyncio: `channel` for the runtime, `server` for the local engine."""
