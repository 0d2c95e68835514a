-- What a cluster's viewers watch of each half minute, of all titles together, as far as half minutes are named.
--
-- rate: millionths of plays a day.
SELECT y.cluster AS cluster, y.position AS position, SUM(y.rate) AS rate
FROM (
  SELECT
    x.cluster AS cluster, x.position AS position,
    CAST(FLOOR(CAST(x.plays AS DOUBLE) * CAST(1000 AS DOUBLE) / CAST(w.weight AS DOUBLE)) AS BIGINT) AS rate
  FROM (
    SELECT
      s.cluster AS cluster, s.asset AS asset, s.position AS position, t.told AS told,
      SUM(CASE WHEN t.told = 1 THEN s.newest ELSE s.plays END) AS plays
    FROM seen s
    JOIN title t ON t.asset = s.asset
    WHERE s.asset > 0 AND s.position >= 0
    GROUP BY s.cluster, s.asset, s.position, t.told
  ) x
  JOIN tell w ON w.cluster = x.cluster AND w.told = x.told
) y
GROUP BY y.cluster, y.position
