-- How far viewers of a region watch a title: many rungs together, since few leave a rung's viewers
-- more often than another's.
--
-- plays: as in `seen`. total: over the title's positions.
SELECT x.region AS region, x.asset AS asset, x.position AS position, x.plays AS plays, SUM(x.plays) OVER (PARTITION BY x.region, x.asset) AS total
FROM (
  SELECT c.region AS region, s.asset AS asset, s.position AS position, SUM(s.plays) AS plays
  FROM seen s
  JOIN cluster c ON c.cluster = s.cluster
  WHERE s.asset > 0
  GROUP BY c.region, s.asset, s.position
) x
