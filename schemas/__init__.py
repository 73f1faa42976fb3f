"""Contracts: what the services share about meaning, and nothing else.

Owns the events and topics, the problem and timetable models, the rules that judge a timetable, and the tables that
more than one service reads. Must not know a broker client, an HTTP framework, settings or any service.
"""
