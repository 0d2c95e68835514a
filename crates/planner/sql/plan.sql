-- The plan: each box takes what is pinned, then what launches and is expected often enough for that (the soonest
-- first: `launch` counts the nights left; what can wait for a later night is not here yet, nor is the rest of
-- what has a beginning that waits), then by value until it is full. What it holds already is worth `held_worth` more, so that two titles that are about equal do not take turns. The order says
-- what would be evicted: nothing is filled that is worth less than what would make room for it.
--
-- Of what a box does not hold, the night's budget is filled in the same order (action 1), and the
-- rest is let in when a viewer first asks for it (action 2): as much again as the box holds, since
-- what will be watched of what is worth little is not known. Pinned objects come first in the budget
-- and are not bound by it. What is larger than the box is passed over, and takes no place of others.
--
-- rank: 1 is first. bytes: how much of the object's beginning is to be held. need: bytes to move.
SELECT
  g.appliance AS appliance, g.object AS object, g.site AS site, g.path AS path, MAX(g.whole) AS size, MAX(g.pinned) AS pinned,
  MIN(g.action) AS action, MIN(g.rank) AS rank, MAX(g.expected) AS expected,
  SUM(CASE WHEN g.action = 1 THEN g.size ELSE CAST(0 AS BIGINT) END) AS bytes,
  SUM(CASE WHEN g.action = 1 THEN g.need ELSE CAST(0 AS BIGINT) END) AS need
FROM (
  SELECT
    z.appliance AS appliance, z.object AS object, z.site AS site, z.path AS path, z.whole AS whole, z.size AS size, z.pinned AS pinned, z.expected AS expected, z.need AS need, z.rank AS rank,
    CASE
      WHEN z.fillable = 0 OR z.held > z.capacity THEN CAST(2 AS BIGINT)
      WHEN z.need = 0 OR z.pinned = 1 THEN CAST(1 AS BIGINT)
      WHEN z.is_fill = 1 AND z.filled <= z.budget THEN CAST(1 AS BIGINT)
      ELSE CAST(2 AS BIGINT)
    END AS action
  FROM (
    SELECT
      m.appliance AS appliance, m.object AS object, m.site AS site, m.path AS path, m.whole AS whole, m.size AS size, m.pinned AS pinned, m.fillable AS fillable, m.expected AS expected, m.need AS need, m.capacity AS capacity, m.budget AS budget, m.is_fill AS is_fill,
      CAST(ROW_NUMBER() OVER (PARTITION BY m.appliance ORDER BY m.pinned DESC, m.launch DESC, m.worth DESC, m.object, m.site, m.path, m.part) AS BIGINT) AS rank,
      SUM(m.size) OVER (PARTITION BY m.appliance ORDER BY m.pinned DESC, m.launch DESC, m.worth DESC, m.object, m.site, m.path, m.part ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS held,
      SUM(CASE WHEN m.is_fill = 1 THEN m.need ELSE CAST(0 AS BIGINT) END) OVER (PARTITION BY m.appliance ORDER BY m.pinned DESC, m.launch DESC, m.worth DESC, m.object, m.site, m.path, m.part ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS filled
    FROM (
      SELECT
        p.appliance AS appliance, p.object AS object, p.site AS site, p.path AS path, p.part AS part, p.whole AS whole, p.size AS size, p.pinned AS pinned, CASE WHEN p.expected >= k.launch_floor THEN p.launch ELSE CAST(0 AS BIGINT) END AS launch, p.fillable AS fillable, p.expected AS expected, p.need AS need, a.capacity AS capacity, a.budget AS budget,
        CASE WHEN p.need = 0 THEN CAST(FLOOR(CAST(p.expected AS DOUBLE) * CAST(k.held_worth AS DOUBLE) / CAST(1000 AS DOUBLE)) AS BIGINT) ELSE p.expected END AS worth,
        CASE WHEN p.fillable = 1 AND p.need > 0 AND (p.pinned = 1 OR p.expected >= t.fill_floor OR (p.launch > 0 AND p.expected >= k.launch_floor)) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS is_fill
      FROM placed p
      JOIN appliance a ON a.appliance = p.appliance
      JOIN threshold t ON t.appliance = p.appliance
      LEFT JOIN later l ON l.appliance = p.appliance AND l.object = p.object AND l.part <= p.part
      CROSS JOIN knob k
      WHERE l.appliance IS NULL AND (p.pinned = 1 OR p.size <= a.capacity)
    ) m
  ) z
  CROSS JOIN knob k
  WHERE z.rank <= k.objects_max
    AND ((z.held <= z.capacity AND (z.pinned = 1 OR (z.fillable = 1 AND z.need = 0) OR (z.is_fill = 1 AND z.filled <= z.budget)))
      OR (z.held <= z.capacity * CAST(2 AS BIGINT) AND z.expected >= k.seed_floor))
) g
GROUP BY g.appliance, g.object, g.site, g.path
