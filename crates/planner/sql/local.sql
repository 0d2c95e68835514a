-- The roll-up: what a cluster's viewers watch of each title and rung. Counts of single objects are
-- too few to plan by (measured: a plan by them is worse than none).
--
-- rate, head: millionths of plays a day, over all positions.
SELECT
  s.cluster AS cluster,
  s.asset AS asset,
  s.variant AS variant,
  CAST(FLOOR(CAST(SUM(s.plays) AS DOUBLE) * CAST(1000 AS DOUBLE) / CAST(MAX(c.weight) AS DOUBLE)) AS BIGINT) AS rate,
  CAST(FLOOR(CAST(SUM(s.head) AS DOUBLE) * CAST(1000 AS DOUBLE) / CAST(MAX(c.weight) AS DOUBLE)) AS BIGINT) AS head
FROM seen s
JOIN cluster c ON c.cluster = s.cluster
WHERE s.asset > 0 AND c.weight > 0
GROUP BY s.cluster, s.asset, s.variant
