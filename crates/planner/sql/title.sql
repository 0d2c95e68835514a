-- Titles: how many half minutes each has, and what its owner expects of it (thousandths of plays a
-- day of each of its objects in the whole fleet; 0 is no forecast).
SELECT p.asset AS asset, p.positions AS positions, COALESCE(f.forecast, CAST(0 AS BIGINT)) AS forecast
FROM (
  SELECT c.asset AS asset, COUNT(DISTINCT c.position) AS positions FROM cell c GROUP BY c.asset
) p
LEFT JOIN (
  SELECT o.asset AS asset, MAX(o.forecast) AS forecast FROM object o WHERE o.forecast > 0 GROUP BY o.asset
) f ON f.asset = p.asset
