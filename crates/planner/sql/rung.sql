-- How a title's plays spread over its rungs in a region: as those of its viewers did, and those of all
-- titles as if `spread` plays of the whole title more had been seen. One viewer asks for a hundred
-- objects of one rung, which says much of the title and little of the rung.
--
-- share: 1/1048576 of the title's plays.
SELECT
  v.region AS region, v.asset AS asset, v.variant AS variant,
  CAST(FLOOR(
    (CAST(v.own AS DOUBLE) + CAST(v.spread AS DOUBLE) * CAST(v.base AS DOUBLE) / CAST(SUM(v.base) OVER (PARTITION BY v.region, v.asset) AS DOUBLE))
    * CAST(1048576 AS DOUBLE)
    / CAST(SUM(v.own) OVER (PARTITION BY v.region, v.asset) + v.spread AS DOUBLE)) AS BIGINT) AS share
FROM (
  SELECT
    e.region AS region, e.asset AS asset, c.variant AS variant, t.positions * k.spread AS spread,
    COALESCE(w.rate, CAST(0 AS BIGINT)) AS own, COALESCE(b.rate, CAST(0 AS BIGINT)) + CAST(1 AS BIGINT) AS base
  FROM (SELECT DISTINCT x.region AS region, x.asset AS asset FROM expect x) e
  JOIN title t ON t.asset = e.asset
  JOIN (SELECT DISTINCT y.asset AS asset, y.variant AS variant FROM cell y) c ON c.asset = e.asset
  LEFT JOIN watched w ON w.region = e.region AND w.asset = e.asset AND w.variant = c.variant
  LEFT JOIN (SELECT z.region AS region, z.variant AS variant, SUM(z.rate) AS rate FROM watched z GROUP BY z.region, z.variant) b
    ON b.region = e.region AND b.variant = c.variant
  CROSS JOIN knob k
) v
