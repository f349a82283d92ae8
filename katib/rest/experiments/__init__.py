"""The experiments' API over HTTP, for programs without gRPC, for ``curl`` and for pages: the same calls with the same messages, as JSON."""
