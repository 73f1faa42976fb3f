"""What if: one class moved in a finished timetable, its consequences and its best alternatives, in milliseconds."""
