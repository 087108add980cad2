"""The use cases on resources, without HTTP and SQL."""
