-- What launches on a later day and is filled on a later night. As late as it can be, since until then others
-- serve more in its place: tonight only that is filled for which the nights' budgets up to its own do not
-- suffice, all that launches before it counted in. What launches tonight (`launch` is `launch_nights`) is not
-- among these.
--
-- ahead: bytes to be moved of all of them up to this one. nights: until its own.
SELECT y.appliance AS appliance, y.object AS object, y.part AS part
FROM (
  SELECT
    x.appliance AS appliance, x.object AS object, x.part AS part, x.ahead - x.need AS before,
    MAX(x.ahead - x.nights * x.budget) OVER (PARTITION BY x.appliance) AS tonight
  FROM (
    SELECT
      p.appliance AS appliance, p.object AS object, p.part AS part, p.need AS need, a.budget AS budget, k.launch_nights - p.launch AS nights,
      SUM(p.need) OVER (PARTITION BY p.appliance ORDER BY p.launch DESC, p.expected DESC, p.object, p.part ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ahead
    FROM placed p
    JOIN appliance a ON a.appliance = p.appliance
    CROSS JOIN knob k
    WHERE p.launch > 0 AND p.launch < k.launch_nights AND p.pinned = 0 AND p.fillable = 1 AND p.need > 0 AND p.expected >= k.launch_floor
  ) x
) y
WHERE y.before >= y.tonight
