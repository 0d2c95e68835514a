-- The catalogue's cells: objects that share a title, a rung and a half minute (one, or several short
-- segments).
SELECT o.asset AS asset, o.variant AS variant, o.position AS position, COUNT(*) AS objects, SUM(o.size) AS bytes
FROM object o
GROUP BY o.asset, o.variant, o.position
