"""Problems for end-to-end tests, as the JSON that a user would send."""

from __future__ import annotations

from typing import Any


def a_department(classes: int = 8, name: str = "A small department") -> dict[str, Any]:
    """Courses of one class each, three shared rooms, one instructor for every two courses: solved in an instant."""
    times = [{"id": f"{day}-{slot}", "weeks": "1", "days": "".join("1" if d == day else "0" for d in range(5)),
              "start": slot, "length": 1} for day in range(5) for slot in range(4)]  # fmt: skip
    return {
        "format": "horarium.problem/1",
        "name": name,
        "calendar": {"weeks": 1, "days": 5, "slots_per_day": 4, "slot_minutes": 120, "first_slot": "08:00"},
        "times": times,
        "time_domains": [{"id": "any", "options": [{"time": t["id"], "penalty": t["start"]} for t in times]}],
        "rooms": [{"id": f"room-{n}", "capacity": 30 + 10 * n} for n in range(3)],
        "instructors": [{"id": f"teacher-{n}"} for n in range((classes + 1) // 2)],
        "courses": [
            {
                "id": f"course-{n}",
                "configs": [
                    {
                        "id": f"course-{n}.c",
                        "subparts": [
                            {
                                "id": f"course-{n}.s",
                                "classes": [
                                    {
                                        "id": f"class-{n}",
                                        "limit": 25,
                                        "time_domain": "any",
                                        "room_needs": {},
                                        "instructors": [f"teacher-{n // 2}"],
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
            for n in range(classes)
        ],
        "students": [
            {"id": f"student-{n}", "courses": [f"course-{(n + k) % classes}" for k in range(3)]} for n in range(20)
        ],
    }
