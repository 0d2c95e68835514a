-- How far viewers of a region watch: of those who could be at a half minute, since their title has it,
-- how many are. All titles together: of most alone too little is seen to tell, and they differ
-- little. `flat` plays that are spread evenly count beside what was seen.
--
-- part: 1/1048576 of the mean of a title's half minutes.
SELECT
  x.region AS region, x.position AS position,
  CAST(FLOOR(CAST(COALESCE(y.rate, CAST(0 AS BIGINT)) + k.flat AS DOUBLE) * CAST(1048576 AS DOUBLE) / CAST(x.could + k.flat AS DOUBLE)) AS BIGINT) AS part
FROM (
  SELECT f.region AS region, p.position AS position,
    SUM(CAST(FLOOR(CAST(f.rate AS DOUBLE) / CAST(t.positions AS DOUBLE)) AS BIGINT)) AS could
  FROM fleet f
  JOIN title t ON t.asset = f.asset
  JOIN place p ON p.asset = f.asset
  GROUP BY f.region, p.position
) x
LEFT JOIN (
  SELECT c.region AS region, r.position AS position, SUM(r.rate) AS rate
  FROM reached r
  JOIN cluster c ON c.cluster = r.cluster
  GROUP BY c.region, r.position
) y ON y.region = x.region AND y.position = x.position
CROSS JOIN knob k
