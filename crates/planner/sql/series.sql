-- How far viewers of a region go on in a series: of those who could be at an episode, since their series has
-- it, how many are. All series together, as `spread` does of half minutes.
--
-- part: 1/1048576 of the mean of a series' episodes.
SELECT
  x.region AS region, x.episode AS episode,
  CAST(FLOOR(CAST(SUM(x.play) + k.flat AS DOUBLE) * CAST(1048576 AS DOUBLE) / CAST(SUM(x.mean) + k.flat AS DOUBLE)) AS BIGINT) AS part
FROM (
  SELECT
    y.region AS region, y.episode AS episode, y.play AS play,
    CAST(FLOOR(CAST(SUM(y.play) OVER (PARTITION BY y.region, y.series) AS DOUBLE)
      / CAST(COUNT(*) OVER (PARTITION BY y.region, y.series) AS DOUBLE)) AS BIGINT) AS mean
  FROM (
    SELECT
      r.region AS region, t.series AS series, t.episode AS episode,
      CAST(FLOOR(CAST(COALESCE(f.rate, CAST(0 AS BIGINT)) AS DOUBLE) / CAST(t.positions AS DOUBLE)) AS BIGINT) AS play
    FROM title t
    CROSS JOIN (SELECT DISTINCT g.region AS region FROM fleet g) r
    LEFT JOIN fleet f ON f.region = r.region AND f.asset = t.asset
    WHERE t.series > 0 AND t.released = 1
  ) y
) x
CROSS JOIN knob k
GROUP BY x.region, x.episode, k.flat
