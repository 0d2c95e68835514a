-- The roll-up: what a cluster's viewers watch of each title and rung. Counts of single objects are
-- too few to plan by (measured: a plan by them is worse than none).
--
-- rate, head: millionths of plays a day, over all positions.
SELECT
  x.cluster AS cluster, x.asset AS asset, x.variant AS variant,
  CAST(FLOOR(CAST(x.plays AS DOUBLE) * CAST(1000 AS DOUBLE) / CAST(w.weight AS DOUBLE)) AS BIGINT) AS rate,
  CAST(FLOOR(CAST(x.head AS DOUBLE) * CAST(1000 AS DOUBLE) / CAST(w.weight AS DOUBLE)) AS BIGINT) AS head
FROM (
  SELECT
    s.cluster AS cluster, s.asset AS asset, s.variant AS variant, t.told AS told,
    SUM(CASE WHEN t.told = 1 THEN s.newest ELSE s.plays END) AS plays,
    SUM(CASE WHEN t.told = 1 THEN s.newest_head ELSE s.head END) AS head
  FROM seen s
  JOIN title t ON t.asset = s.asset
  WHERE s.asset > 0
  GROUP BY s.cluster, s.asset, s.variant, t.told
) x
JOIN tell w ON w.cluster = x.cluster AND w.told = x.told
