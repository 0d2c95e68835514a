-- Tomorrow, by title. Of a series all that was seen is shared out to those of its episodes that are out: as
-- it was seen, and as `episodes` plays more of the whole series that are watched like everybody's. A launch
-- counts for at least its forecast. What is pinned is here whether or not it is watched.
--
-- rate, head: millionths of plays a day, over all positions.
SELECT x.cluster AS cluster, x.region AS region, x.asset AS asset, MAX(x.rate) AS rate, MAX(x.head) AS head
FROM (
  SELECT l.cluster AS cluster, l.region AS region, l.asset AS asset, l.rate AS rate, l.head AS head
  FROM likely l
  JOIN title t ON t.asset = l.asset
  WHERE t.series = 0 OR t.released = 0
  UNION ALL
  SELECT
    z.cluster AS cluster, z.region AS region, z.asset AS asset,
    CAST(FLOOR(CAST(z.plays AS DOUBLE)
      * (CAST(z.play AS DOUBLE) + CAST(k.episodes AS DOUBLE) * CAST(z.part AS DOUBLE) / CAST(GREATEST(CAST(1 AS BIGINT), z.parts) AS DOUBLE))
      * CAST(z.positions AS DOUBLE) / CAST(z.plays + k.episodes AS DOUBLE)) AS BIGINT) AS rate,
    CAST(FLOOR(CAST(z.begun AS DOUBLE)
      * (CAST(z.opening AS DOUBLE) + CAST(k.episodes AS DOUBLE) * CAST(z.part AS DOUBLE) / CAST(GREATEST(CAST(1 AS BIGINT), z.parts) AS DOUBLE))
      * CAST(z.positions AS DOUBLE) / CAST(z.begun + k.episodes AS DOUBLE)) AS BIGINT) AS head
  FROM (
    SELECT
      y.cluster AS cluster, y.region AS region, y.asset AS asset, y.positions AS positions, y.play AS play, y.opening AS opening, y.part AS part,
      SUM(y.play) OVER (PARTITION BY y.cluster, y.series) AS plays,
      SUM(y.opening) OVER (PARTITION BY y.cluster, y.series) AS begun,
      SUM(y.part) OVER (PARTITION BY y.cluster, y.series) AS parts
    FROM (
      SELECT
        m.cluster AS cluster, m.region AS region, t.series AS series, t.asset AS asset, t.positions AS positions, q.part AS part,
        CAST(FLOOR(CAST(COALESCE(l.rate, CAST(0 AS BIGINT)) AS DOUBLE) / CAST(t.positions AS DOUBLE)) AS BIGINT) AS play,
        CAST(FLOOR(CAST(COALESCE(l.head, CAST(0 AS BIGINT)) AS DOUBLE) / CAST(t.positions AS DOUBLE)) AS BIGINT) AS opening
      FROM (
        SELECT DISTINCT w.cluster AS cluster, w.region AS region, v.series AS series
        FROM likely w
        JOIN title v ON v.asset = w.asset
        WHERE v.series > 0
      ) m
      JOIN title t ON t.series = m.series
      JOIN series q ON q.region = m.region AND q.episode = t.episode
      LEFT JOIN likely l ON l.cluster = m.cluster AND l.asset = t.asset
      WHERE t.released = 1
    ) y
  ) z
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
