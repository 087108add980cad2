"""HTTP: parse a request, call a use case, answer. Served over RSGI by `muster serve`, over ASGI by any other server."""
