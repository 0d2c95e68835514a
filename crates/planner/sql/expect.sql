-- Tomorrow, by title: what the cluster's own viewers did, and what the region's would have done in its
-- place as if that had been seen for `shrink` more (two days). A launch counts for at least its
-- forecast. What is pinned is here whether or not it is watched.
--
-- rate, head: millionths of plays a day, over all positions.
SELECT x.cluster AS cluster, x.region AS region, x.asset AS asset, MAX(x.rate) AS rate, MAX(x.head) AS head
FROM (
  SELECT
    h.cluster AS cluster, h.region AS region, f.asset AS asset,
    CAST(FLOOR((CAST(COALESCE(l.rate, CAST(0 AS BIGINT)) AS DOUBLE) * CAST(h.weight AS DOUBLE)
      + CAST(f.rate AS DOUBLE) * CAST(h.of_region AS DOUBLE) / CAST(1048576 AS DOUBLE) * CAST(k.shrink AS DOUBLE))
      / CAST(GREATEST(CAST(1 AS BIGINT), h.weight + k.shrink) AS DOUBLE)) AS BIGINT) AS rate,
    CAST(FLOOR((CAST(COALESCE(l.head, CAST(0 AS BIGINT)) AS DOUBLE) * CAST(h.weight AS DOUBLE)
      + CAST(f.head AS DOUBLE) * CAST(h.of_region AS DOUBLE) / CAST(1048576 AS DOUBLE) * CAST(k.shrink AS DOUBLE))
      / CAST(GREATEST(CAST(1 AS BIGINT), h.weight + k.shrink) AS DOUBLE)) AS BIGINT) AS head
  FROM fleet f
  JOIN share h ON h.region = f.region
  LEFT JOIN (
    SELECT m.cluster AS cluster, m.asset AS asset, SUM(m.rate) AS rate, SUM(m.head) AS head
    FROM local m
    GROUP BY m.cluster, m.asset
  ) l ON l.cluster = h.cluster AND l.asset = f.asset
  CROSS JOIN knob k
  UNION ALL
  SELECT
    h.cluster AS cluster, h.region AS region, n.asset AS asset,
    CAST(FLOOR(CAST(n.rate AS DOUBLE) * CAST(h.of_fleet AS DOUBLE) / CAST(1048576 AS DOUBLE)) AS BIGINT) AS rate,
    CAST(0 AS BIGINT) AS head
  FROM launch n
  CROSS JOIN share h
  UNION ALL
  SELECT h.cluster AS cluster, h.region AS region, p.asset AS asset, CAST(0 AS BIGINT) AS rate, CAST(0 AS BIGINT) AS head
  FROM (SELECT DISTINCT o.asset AS asset FROM object o WHERE o.pinned = 1) p
  CROSS JOIN share h
) x
GROUP BY x.cluster, x.region, x.asset
