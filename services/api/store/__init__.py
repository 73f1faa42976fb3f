"""What api keeps in PostgreSQL, one module per kind of thing. Every read names the caller's organisation."""
