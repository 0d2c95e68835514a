-- Tomorrow, by title, as far as it was seen: what the cluster's own viewers did, and what the region's
-- would have done in its place as if that had been seen for `shrink` more (two days).
--
-- rate, head: millionths of plays a day, over all positions.
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
