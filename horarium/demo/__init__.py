"""The demo: a whole university through all four services, as a user of the HTTP interface would do it."""
