"""Clock, passwords, threads and connections, which know nothing of SCIM."""
