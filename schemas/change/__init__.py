"""Change with little disturbance: an earlier timetable to stay close to, what leaving it costs, what was changed."""
