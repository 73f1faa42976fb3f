"""A made-up university of any size: realistic, the same for the same seed, and known to have a timetable."""

from horarium.university.generate import University, generate_university, plan_university

__all__ = ["University", "generate_university", "plan_university"]
