-- The half minutes that each title has.
SELECT c.asset AS asset, c.position AS position FROM cell c GROUP BY c.asset, c.position
