"""The console: server-rendered pages for administrators."""
