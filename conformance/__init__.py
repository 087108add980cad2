"""Measures how muster conforms to SCIM: public test suites, replayed clients, independent oracles.

`make conformance` runs every suite against fresh servers, on SQLite and on PostgreSQL, in lenient
and in strict workspaces. It writes `results.json` and renders docs/reference/conformance.md from
it. `make test` runs the same suites as tests, each once, and fails if a number is worse than the
one in `results.json`.
"""
