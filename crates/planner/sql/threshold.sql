-- What is expected at least of what a night fills, for each box: `fill_floor` on one that could hold all that is
-- expected at all, and more in proportion on a smaller one, where what is held makes way for others sooner.
SELECT
  a.appliance AS appliance,
  CAST(FLOOR(CAST(k.fill_floor AS DOUBLE) * CAST(GREATEST(a.capacity, COALESCE(w.wanted, CAST(0 AS BIGINT))) AS DOUBLE) / CAST(GREATEST(a.capacity, CAST(1 AS BIGINT)) AS DOUBLE)) AS BIGINT) AS fill_floor
FROM appliance a
CROSS JOIN knob k
LEFT JOIN (
  SELECT p.appliance AS appliance, SUM(p.size) AS wanted
  FROM placed p
  CROSS JOIN knob j
  WHERE p.expected >= j.seed_floor
  GROUP BY p.appliance
) w ON w.appliance = a.appliance
