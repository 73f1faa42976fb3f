"""Several timetables of one problem: the weights that make them different, and how they compare."""
