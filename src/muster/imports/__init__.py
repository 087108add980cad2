"""CSV import of users: the file, the mapping of its columns, the rehearsal and the import."""
