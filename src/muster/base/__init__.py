"""Building blocks without knowledge of SCIM: clock, hashing, outbound connections, threads."""
