"""The problem of the example events, once in each format that a request may bring inline.

Owns these few lines of input, small enough to be read. Must not know events.
"""

from __future__ import annotations

NATIVE_PROBLEM = {
    "format": "horarium.problem/1",
    "name": "Two lectures and a lab",
    "calendar": {"weeks": 1, "days": 5, "slots_per_day": 10, "slot_minutes": 60, "first_slot": "08:00"},
    "times": [
        {"id": "mon-9", "weeks": "1", "days": "10000", "start": 1, "length": 2},
        {"id": "tue-9", "weeks": "1", "days": "01000", "start": 1, "length": 2},
        {"id": "wed-9", "weeks": "1", "days": "00100", "start": 1, "length": 2},
    ],
    "time_domains": [
        {"id": "mornings", "options": [{"time": "mon-9"}, {"time": "tue-9"}, {"time": "wed-9", "penalty": 2}]}
    ],
    "rooms": [
        {"id": "A-101", "capacity": 60, "building": "A"},
        {"id": "L-3", "capacity": 24, "building": "L", "features": ["lab"]},
    ],
    "instructors": [{"id": "noether", "name": "E. Noether"}],
    "courses": [
        {
            "id": "ALG-1",
            "name": "Algebra I",
            "configs": [
                {
                    "id": "ALG-1/a",
                    "subparts": [
                        {
                            "id": "lecture",
                            "classes": [
                                {
                                    "id": "ALG-1/1",
                                    "limit": 40,
                                    "time_domain": "mornings",
                                    "room_needs": {},
                                    "instructors": ["noether"],
                                }
                            ],
                        },
                        {
                            "id": "lab",
                            "classes": [
                                {
                                    "id": "ALG-1/lab",
                                    "limit": 20,
                                    "time_domain": "mornings",
                                    "room_needs": {"features": ["lab"]},
                                }
                            ],
                        },
                    ],
                }
            ],
        },
        {
            "id": "TOP-1",
            "name": "Topology",
            "configs": [
                {
                    "id": "TOP-1/a",
                    "subparts": [
                        {
                            "id": "lecture",
                            "classes": [
                                {
                                    "id": "TOP-1/1",
                                    "limit": 50,
                                    "time_domain": "mornings",
                                    "room_needs": {},
                                    "instructors": ["noether"],
                                }
                            ],
                        }
                    ],
                }
            ],
        },
    ],
    "students": [{"id": "s-1", "courses": ["ALG-1", "TOP-1"]}],
}

CTT_PROBLEM = """\
Name: Toy
Courses: 2
Rooms: 1
Days: 5
Periods_per_day: 4
Curricula: 1
Constraints: 1

COURSES:
Algebra Noether 2 2 30
Topology Hausdorff 2 2 25

ROOMS:
A101 40

CURRICULA:
Maths 2 Algebra Topology

UNAVAILABILITY_CONSTRAINTS:
Topology 4 3

END.
"""

XML_PROBLEM = """\
<?xml version="1.0" encoding="UTF-8"?>
<problem name="Toy" nrDays="5" nrWeeks="15" slotsPerDay="288">
  <optimization time="2" room="1" distribution="1" student="5"/>
  <rooms>
    <room id="1" capacity="40"/>
  </rooms>
  <courses>
    <course id="1"><config id="1"><subpart id="1">
      <class id="1" limit="40">
        <room id="1" penalty="0"/>
        <time days="10100" start="108" length="10" weeks="111111111111111" penalty="0"/>
        <time days="01010" start="108" length="15" weeks="111111111111111" penalty="2"/>
      </class>
    </subpart></config></course>
  </courses>
  <distributions>
    <distribution type="MaxDays(2)" required="true"><class id="1"/></distribution>
  </distributions>
  <students>
    <student id="1"><course id="1"/></student>
  </students>
</problem>
"""


# Two events, a room of three seats with one feature, three students; the first event needs the feature.
TIM_PROBLEM = """\
2 1 1 3
3
1 1 1 0 0 1
1
1 0
"""
