"""The four services and the runtime that they share. A service never imports another service."""
