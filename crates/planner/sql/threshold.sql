-- What is expected at least of what a night fills, for each box: `fill_floor` on one that could hold all that is
-- expected at all, and more in proportion on a smaller one, where what is held makes way for others sooner.
-- What is larger than the box is not planned at all (`plan`), and is not counted.
SELECT
  a.appliance AS appliance,
  CAST(FLOOR(CAST(k.fill_floor AS DOUBLE) * CAST(GREATEST(a.capacity, COALESCE(w.wanted, CAST(0 AS BIGINT))) AS DOUBLE) / CAST(GREATEST(a.capacity, CAST(1 AS BIGINT)) AS DOUBLE)) AS BIGINT) AS fill_floor
FROM appliance a
CROSS JOIN knob k
LEFT JOIN (
  SELECT p.appliance AS appliance, SUM(p.size) AS wanted
  FROM placed p
  JOIN appliance b ON b.appliance = p.appliance
  CROSS JOIN knob j
  WHERE p.expected >= j.seed_floor AND p.size <= b.capacity
  GROUP BY p.appliance
) w ON w.appliance = a.appliance
