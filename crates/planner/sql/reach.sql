-- The parts of all half minutes of a title, of which a half minute's is a share.
SELECT e.region AS region, e.asset AS asset, SUM(COALESCE(s.part, CAST(1048576 AS BIGINT))) AS parts
FROM (SELECT DISTINCT x.region AS region, x.asset AS asset FROM expect x) e
JOIN place p ON p.asset = e.asset
LEFT JOIN spread s ON s.region = e.region AND s.position = p.position
GROUP BY e.region, e.asset
