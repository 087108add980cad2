"""The use cases on resources: find, get, create, replace, patch, delete. No HTTP and no SQL."""
