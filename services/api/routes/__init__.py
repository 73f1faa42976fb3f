"""The HTTP face, one module per kind of thing: each makes a router from the parts it is given."""
