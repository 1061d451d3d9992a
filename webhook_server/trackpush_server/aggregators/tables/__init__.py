"""The aggregators' codes as data: what each means in canonical statuses, and who says so.

Section numbers and source tags (CP-…, SR-…, SW-…) are those of the aggregators' reference. Marks: [I] inferred,
[U] unsure (one integrator only, or sources disagree).
"""
