"""The engine: problems as arrays in, assignments as arrays out.

Owns every search method. Must not know Kafka, HTTP, JSON, pydantic, files, settings or logging: numpy, numba and
ortools only, so that it can be tried in a Python prompt.
"""
