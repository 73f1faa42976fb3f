"""How any of our processes starts and talks to the world: settings, logs, broker, database, probes, metrics.

Must not know a job, a problem or a timetable, nor any service.
"""
