"""Staying close to a baseline: how departures are priced, told and kept within a number, whatever method searches."""
