"""A whole run as one page that opens offline, and as JSON lines."""
