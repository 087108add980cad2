"""What an operator does to whole databases: check and mend, back up and restore, export and import."""
